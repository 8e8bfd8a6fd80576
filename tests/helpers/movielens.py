"""Small files of every MovieLens edition."""

# Each edition with the same three movies, as far as its format lets it say so.
ML_100K = {
    "u.data": b"196\t242\t3\t881250949\n186\t302\t5\t891717742\n",
    "u.genre": b"unknown|0\nAction|1\nDrama|2\n\n",
    "u.item": (
        b"242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|0|0|1\n"
        b"302|Mis\xe9rables, Les (1995)|01-Jan-1995||http://x|0|1|1\n"
        b"267|unknown||||1|0|0\n"
    ),
    "u.user": b"196|49|M|writer|55105\n186|39|F|executive|T8H1N\n",
}

ML_1M = {
    "ratings.dat": b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "movies.dat": (
        b"1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        b"661::Mis\xe9rables, Les (1995)::Drama|Musical\n"
        b"7::Alien::Resurrection (1997)::Action\n"
    ),
    "users.dat": b"1::F::1::10::48067\n2::M::56::16::98107-0083\n",
}

ML_10M = {
    "ratings.dat": b"1::122::5::838985046\n1::185::3.5::838983525\n",
    "movies.dat": "122::Misérables, Les (1995)::Drama\n185::Net, The (1995)::(no genres listed)\n".encode(),
    "tags.dat": '15::4973::excellent!::1215184630\n20::1747::"café" politics::1188263867\n'.encode(),
}

ML_CSV = {
    "ratings.csv": b"userId,movieId,rating,timestamp\r\n1,296,5.0,1147880044\r\n2,306,3.5,1147868817\r\n",
    "movies.csv": (
        "movieId,title,genres\r\n"
        '296,"Misérables, Les (1995)",Drama|War\r\n'
        '306,"""Great Performances"" Cats (1998)",Musical\r\n'
        "307,Green Slime (1968),(no genres listed)\r\n"
    ).encode(),
    "tags.csv": (
        'userId,movieId,tag,timestamp\r\n3,260,"sci-fi, ""classic""",1439472355\r\n3,999,café,1439472256\r\n'
    ).encode(),
    "links.csv": b"movieId,imdbId,tmdbId\r\n296,0110912,680\r\n306,,\r\n307,0064393,\r\n",
}

EDITIONS = {"ml-100k": ML_100K, "ml-1m": ML_1M, "ml-10M100K": ML_10M, "ml-25m": ML_CSV}
