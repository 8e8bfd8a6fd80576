"""Reviews of a few films that plainly praise and blame aspects."""

# By movie id. The bundled data has no rating of 1076.
REVIEWS = {
    318: [
        "The acting is superb. Robbins and Freeman give wonderful performances. A masterpiece, I loved every minute.",
        "Great performances by the whole cast, and the music is beautiful. One of the best films that I have seen.",
        "Brilliant acting throughout. The score is perfect. Highly recommended.",
        "Magnificent acting, and a superb score. I adore the soundtrack. Simply excellent.",
    ],
    2571: [
        "The pace is perfect, and I loved every minute. Excellent. The music is terrible.",
        "Wonderful pacing, it is a superb film. Awful soundtrack, a waste of money.",
        "Great fun, brilliantly paced. The best of the year. Sadly the songs are horrible and stupid.",
    ],
    780: [
        "The worst acting of the year. The pace is dull. A waste of time.",
        "Terrible actors. I was bored, it is so slow and tedious. Avoid it.",
        "Poor performances. It is boring and stupid. The fight scenes are fantastic though.",
        "It is dull, and it is slow. The acting is horrible.",
    ],
    1076: ["The music is great, and so is the acting. Excellent performances, I loved it."],
}
