"""One person's ratings of 30 bundled films, as Letterboxd, IMDb, Trakt, TMDb and MovieLens export them."""

import csv
import io
import json
import pathlib
import zipfile

import pandas as pd

from movierec_jax.data.matching.titles import article_first, title_names

BUNDLED = pathlib.Path(__file__).parents[2] / "data" / "ml-latest-small"
NUM_FILMS = 30


def films() -> pd.DataFrame:
    """Films that many rate: movieId, title, year, imdbId, tmdbId (text), and a rating of 0.5 to 5 for each."""
    movies, links, ratings = (
        pd.read_csv(BUNDLED / f"{name}.csv", dtype=str) for name in ("movies", "links", "ratings")
    )
    counts = ratings["movieId"].value_counts()
    table = movies.merge(links, on="movieId")
    # A film rated by 100 people or more, every third of them.
    table = table[table["movieId"].map(counts).fillna(0) >= 100].iloc[::3].head(NUM_FILMS).reset_index(drop=True)
    parts = table["title"].str.extract(r"^(?P<title>.*) \((?P<year>\d{4})\)$")
    rating = [0.5 + 0.5 * (7 * n % 10) for n in range(len(table))]
    return table.assign(title=[as_people_write(title) for title in parts["title"]], year=parts["year"], rating=rating)


def as_people_write(title: str) -> str:
    """Returns the first of a title's names, its article in front."""
    names = title_names(title)
    return article_first(names[min(1, len(names) - 1)])


def csv_text(header: str, rows) -> str:
    """Returns the text of a CSV file."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return stream.getvalue()


def ten(rating: float) -> int:
    """Returns a rating of half stars on a scale of 1 to 10."""
    return int(2 * rating)


def letterboxd(table: pd.DataFrame) -> str:
    rows = [
        ("2024-03-01", one.title, one.year, f"https://boxd.it/{one.movieId}", f"{one.rating:g}")
        for one in table.itertuples()
    ]
    return csv_text("Date,Name,Year,Letterboxd URI,Rating", rows)


def letterboxd_watched(table: pd.DataFrame) -> str:
    rows = [("2024-03-01", one.title, one.year, f"https://boxd.it/{one.movieId}") for one in table.itertuples()]
    return csv_text("Date,Name,Year,Letterboxd URI", rows)


def letterboxd_diary(table: pd.DataFrame) -> str:
    """The entries of a diary: each film twice, first with half a star."""
    header = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date"
    entries = [("0.5", "", "2023-01-05"), (None, "Yes", "2024-02-06")]
    rows = [
        ("2024-03-01", one.title, one.year, f"https://boxd.it/{n}{one.movieId}", rating or one.rating, again, "", day)
        for one in table.itertuples()
        for n, (rating, again, day) in enumerate(entries)
    ]
    return csv_text(header, rows)


def imdb(table: pd.DataFrame) -> str:
    """Ratings of the films, and of an episode and a series that are none."""
    header = "Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),Year,Genres"
    films = [(f"tt{one.imdbId}", ten(one.rating), one.title, "Movie", one.year) for one in table.itertuples()]
    others = [("tt2301451", 9, "Ozymandias", "TV Episode", 2013), ("tt0903747", 10, "Breaking Bad", "tvSeries", 2008)]
    rows = [
        (
            const,
            rating,
            "2024-03-01",
            title,
            title,
            f"https://www.imdb.com/title/{const}",
            kind,
            7.9,
            120,
            year,
            "Drama, War",
        )
        for const, rating, title, kind, year in films + others
    ]
    return csv_text(header, rows)


def trakt(table: pd.DataFrame) -> str:
    rows = [
        ("2024-03-01T16:53:20Z", "movie", one.title, one.year, ten(one.rating), 9, f"tt{one.imdbId}", one.tmdbId)
        for one in table.itertuples()
    ]
    return csv_text("rated_at,type,title,year,trakt_rating,trakt_id,imdb_id,tmdb_id", rows)


def trakt_json(table: pd.DataFrame) -> str:
    entries = [
        {
            "rated_at": "2024-03-01T16:53:20.000Z",
            "rating": ten(one.rating),
            "type": "movie",
            "movie": {
                "title": one.title,
                "year": int(one.year),
                "ids": {"trakt": 9, "slug": "a-film", "imdb": f"tt{one.imdbId}", "tmdb": int(one.tmdbId)},
            },
        }
        for one in table.itertuples()
    ]
    episode = {"rated_at": "2024-03-01T16:53:20.000Z", "rating": 9, "type": "episode", "episode": {"title": "Pilot"}}
    return json.dumps([*entries, episode])


def tmdb(table: pd.DataFrame) -> str:
    rows = [
        (
            one.tmdbId,
            f"tt{one.imdbId}",
            "movie",
            one.title,
            f"{one.year}-05-06",
            "",
            "",
            7.1,
            ten(one.rating),
            "2024-03-01",
        )
        for one in table.itertuples()
    ]
    header = "TMDb ID,IMDb ID,Type,Name,Release Date,Season Number,Episode Number,Rating,Your Rating,Date Rated"
    return csv_text(header, rows)


def movielens(table: pd.DataFrame) -> str:
    rows = [(one.movieId, one.imdbId, one.tmdbId, one.rating, 3.9, one.title) for one in table.itertuples()]
    return csv_text("movie_id,imdb_id,tmdb_id,rating,average_rating,title", rows)


def own_ids(table: pd.DataFrame) -> str:
    return csv_text("movieId,rating", [(one.movieId, one.rating) for one in table.itertuples()])


EXPORTS = {
    "letterboxd": letterboxd,
    "imdb": imdb,
    "trakt": trakt,
    "trakt_json": trakt_json,
    "tmdb": tmdb,
    "movielens": movielens,
    "own_ids": own_ids,
}


def write_export(folder: pathlib.Path, name: str, table: pd.DataFrame | None = None) -> pathlib.Path:
    """Writes an export of these films, the 30 unless given, and returns its path."""
    path = folder / f"{name}.{'json' if name.endswith('json') else 'csv'}"
    path.write_text(EXPORTS[name](films() if table is None else table), encoding="utf-8")
    return path


def write_letterboxd_zip(path: pathlib.Path, rated: pd.DataFrame, watched: pd.DataFrame) -> pathlib.Path:
    """Writes a Letterboxd export as it is downloaded: ratings, what was watched, and a deleted diary."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deleted/ratings.csv", letterboxd(rated.assign(rating=0.5)))
        archive.writestr("profile.csv", "Date Joined,Username\n2020-01-01,me\n")
        archive.writestr("ratings.csv", letterboxd(rated))
        archive.writestr("watched.csv", letterboxd_watched(watched))
        archive.writestr("watchlist.csv", letterboxd_watched(watched))
    return path
