"""Files find the movies of a run by ids of any space, never by ids of another one."""

import hypothesis
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.data.matching.id_join import (
    KnownMovies,
    NamedIds,
    external_ids,
    join_movies,
    join_ratings,
    join_tables,
    known_movies,
)
from movierec_jax.data.schema import (
    GENRES,
    IMDB_ID,
    MOVIE_ID,
    RATING,
    TITLE,
    TMDB_ID,
    USER_ID,
    RawData,
    no_links,
)
from movierec_jax.errors import InputError

# Own id, IMDb id, TMDb id. Film 7 has the TMDb id that film 1 has at IMDb, so a mix-up shows.
LINKS = [(1, 114709, 862), (2, 113497, None), (7, None, 114709)]


def links_of(rows=LINKS, kind: str = "int64") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[MOVIE_ID, IMDB_ID, TMDB_ID])
    return table.astype({MOVIE_ID: kind, IMDB_ID: "Int64", TMDB_ID: "Int64"})


def series(ids) -> pd.Series:
    return pd.Series(ids, dtype="str" if any(isinstance(id, str) for id in ids) else "Int64")


def movies_of(ids, space: str = "own", links: pd.DataFrame | None = None) -> KnownMovies:
    return KnownMovies(NamedIds(series(ids), space, "ratings.csv"), no_links() if links is None else links)


def joined(ids, space: str, movies: KnownMovies, column: str = "id") -> list:
    found = join_movies(NamedIds(series(ids), space, "extra.csv", column), movies).movie_id
    return [None if pd.isna(id) else id for id in found]


@pytest.mark.parametrize("ids", [["tt0114709", "tt5"], ["0114709", "5"], [114709, 5], ["TT114709", None]])
@pytest.mark.parametrize("kind", ["int64", "str"])
def test_imdb_ids_find_movies_through_links_however_they_are_written(ids, kind):
    movies = movies_of([1, 2, 7] if kind == "int64" else ["1", "2", "7"], links=links_of(kind=kind))
    assert joined(ids, "imdb", movies) == [1 if kind == "int64" else "1", None]


def test_tmdb_ids_find_movies_through_links():
    assert joined([862, 114709, 113497], "tmdb", movies_of([1, 2, 7], links=links_of())) == [1, 7, None]


def test_a_run_by_imdb_ids_finds_files_of_any_space_through_links():
    movies = movies_of(["tt0114709", "tt0113497"], "imdb", links_of())
    assert joined([2, 1, 7], "own", movies) == ["tt0113497", "tt0114709", None]
    assert joined([862, 5], "tmdb", movies) == ["tt0114709", None]


@pytest.mark.parametrize(
    ("run", "known", "new"),
    [
        (["tt0000009", "tt0000010"], "tt0000009", "tt0000044"),
        (["0000009", "0000010"], "0000009", "0000044"),
        (["9", "x"], "9", "44"),
        ([9, 10], 9, 44),
    ],
    ids=str,
)
@pytest.mark.parametrize("ids", [["tt0000009", "tt44"], ["0000009", "0000044"], [9, 44]], ids=str)
def test_imdb_ids_are_written_as_the_ratings_write_them(run, known, new, ids):
    assert joined(ids, "imdb", movies_of(run, "imdb")) == [known, new]


def test_ids_of_the_datas_own_stand_for_themselves():
    assert joined(["007", "7"], "own", movies_of(["7"])) == ["007", "7"]


def test_of_several_movies_with_one_imdb_id_the_first_that_the_run_has_is_taken():
    links = links_of([(9, 5, None), (2, 5, None), (1, 5, None)])
    assert joined([5], "imdb", movies_of([1, 2], links=links)) == [2]
    # Without one in the run the first link says which movie it is.
    assert joined([5], "imdb", movies_of([8], links=links)) == [9]


@pytest.mark.parametrize(
    ("ids", "space", "movies", "message"),
    [
        (
            [114709],
            "imdb",
            movies_of([1]),
            "extra.csv: column 'id' has IMDb ids, such as 114709, where ratings.csv has ids of its own, such as 1; "
            "give --links=links.csv, a file with columns movieId and imdbId",
        ),
        (
            [862],
            "tmdb",
            movies_of([1], links=links_of([(1, 5, None)])),
            "extra.csv: column 'id' has TMDb ids, such as 862, where ratings.csv has ids of its own, such as 1; "
            "give --links=links.csv, a file with columns movieId and tmdbId",
        ),
        (
            [1],
            "own",
            movies_of([114709], "imdb"),
            "extra.csv: column 'id' has ids of its own, such as 1, where ratings.csv has IMDb ids, such as 114709; "
            "give --links=links.csv, a file with columns movieId and imdbId",
        ),
        (
            [862],
            "tmdb",
            movies_of(["tt5"]),
            "extra.csv: column 'id' has TMDb ids, such as 862, where ratings.csv has IMDb ids, such as tt5; give "
            "--links=links.csv, a file with columns movieId and tmdbId and imdbId",
        ),
    ],
)
def test_without_links_a_file_of_another_space_is_refused(ids, space, movies, message):
    with pytest.raises(InputError) as error:
        joined(ids, space, movies)
    assert str(error.value) == message


def test_values_with_tt_win_over_the_name_of_their_column():
    found = NamedIds(series(["tt0114709"]), "own", "extra.csv", "movieId")
    result = join_movies(found, movies_of([1], links=links_of()))
    assert result.movie_id.tolist() == [1]
    assert result.note == "extra.csv: column 'movieId' has IMDb ids, such as tt0114709"


def test_digits_filled_up_with_zeros_join_imdb_ids_without_links():
    movies = movies_of(["0000009", "0000010"])
    result = join_movies(NamedIds(series(["tt0000009", "tt0000011"]), "imdb", "reviews.csv"), movies)
    assert [None if pd.isna(id) else id for id in result.movie_id] == ["0000009", None]
    assert result.note == "reviews.csv: ids of ratings.csv, such as 0000009, are taken for IMDb ids"


@hypothesis.given(
    numbers=st.lists(st.integers(1, 10**8), min_size=1, max_size=20, unique=True),
    write=st.sampled_from([str, "tt{:07d}".format, "{:07d}".format, int]),
    write_run=st.sampled_from([str, "tt{:07d}".format, int]),
)
def test_every_way_of_writing_joins_every_other(numbers, write, write_run):
    run = [write_run(number) for number in numbers]
    assert joined([write(number) for number in numbers], "imdb", movies_of(run, "imdb")) == run


# Ratings.


def raw(ids, space: str = "own", source: str = "extra.csv", **tables) -> RawData:
    ratings = pd.DataFrame({USER_ID: range(len(ids)), MOVIE_ID: series(ids), RATING: 3.0})
    movies = tables.pop("movies", pd.DataFrame({MOVIE_ID: series([1])[:0], TITLE: "", GENRES: ""}))
    return RawData(ratings, movies, source, movie_id_space=space, movie_id_name="imdbId", **tables)


def test_ratings_that_name_no_movie_are_left_out_and_counted_with_an_example():
    lines: list[str] = []
    movies = known_movies(raw([1, 2], source="ratings.csv", links=links_of()))
    found = join_ratings(raw(["tt0114709", "tt0000009", None], "imdb"), movies, lines.append)
    assert found.ratings[USER_ID].tolist() == [0, 2]
    assert found.ratings[MOVIE_ID].tolist() == [1, pd.NA]
    assert lines == [
        "extra.csv: 1 of 3 rows has an IMDb id without a link to a movie, such as tt0000009: left out",
    ]


def test_ratings_by_ids_of_the_runs_own_space_stay_as_they_are():
    extra = raw([1, 999999])
    assert join_ratings(extra, known_movies(raw([1, 2], links=links_of()))) is extra


def test_a_movie_written_in_several_ways_is_one():
    lines: list[str] = []
    found = join_tables(raw(["tt0000009", "9", "tt0000010", "0000009"], "imdb", "ratings.csv"), lines.append)
    assert found.ratings[MOVIE_ID].tolist() == ["tt0000009", "tt0000009", "tt0000010", "tt0000009"]
    assert lines == ["ratings.csv: 2 movies are written in several ways, such as '9' for 'tt0000009'"]


def test_titles_beside_ratings_by_imdb_ids_are_joined_through_links():
    movies = pd.DataFrame({MOVIE_ID: [1, 2, 114709], TITLE: ["a", "b", "c"], GENRES: ""})
    lines: list[str] = []
    linked = join_tables(raw([114709], "imdb", "ratings.csv", movies=movies, links=links_of()), lines.append)
    assert linked.movies[[MOVIE_ID, TITLE]].to_numpy().tolist() == [[114709, "a"]]
    assert lines == []
    without = join_tables(raw([114709], "imdb", "ratings.csv", movies=movies), lines.append)
    assert without.movies.empty
    assert lines[0].startswith("left out: movies beside ratings.csv: column 'movie_id' has ids of its own, such as 1")


def test_movies_of_a_run_have_their_imdb_and_tmdb_ids():
    def rows(movies: KnownMovies) -> list[list]:
        table = external_ids(movies, pd.Index(movies.distinct))
        assert [str(dtype) for dtype in table.dtypes[1:]] == ["Int64", "Int64"]
        return [[None if pd.isna(value) else value for value in row] for row in table.to_numpy()]

    assert rows(movies_of([7, 8, 1], links=links_of())) == [[7, None, 114709], [1, 114709, 862]]
    assert rows(movies_of(["tt0114709", "tt5"], "imdb", links_of())) == [["tt0114709", 114709, 862], ["tt5", 5, None]]
    assert rows(movies_of(["0114709"])) == [["0114709", 114709, None]]
    assert rows(movies_of([1])) == []
