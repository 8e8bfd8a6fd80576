"""An export gives the lists of the recommender it is of, without the package."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard
from helpers.recommenders import COLD_USER, PARAMS, random_recommender
from jax.sharding import Mesh

from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.model.sharding import AXES
from movierec_jax.recommend import export_loader
from movierec_jax.recommend.export import PLATFORMS, export_lists
from movierec_jax.recommend.export_loader import BLOCK_USERS, FILES, load, read_program

NUM_MOVIES = checkerboard.NUM_MOVIES


@pytest.fixture(scope="module", params=PARAMS)
def both(request, tmp_path_factory):
    """A recommender and its export."""
    recommender = random_recommender(request.param)
    folder = tmp_path_factory.mktemp("exports") / "export"
    export_lists(recommender, folder, NUM_MOVIES)
    return recommender, load(folder), 0.05 if request.param == "bfloat16" else 1e-5


@pytest.fixture(scope="module")
def board(recommender, tmp_path_factory):
    """The folder of an export of the trained checkerboard, with lists of 5."""
    folder = tmp_path_factory.mktemp("exports") / "board"
    export_lists(recommender, folder, 5)
    return folder


def assert_same(found, expected: pd.DataFrame, tolerance: float) -> None:
    """The list of the export is that of the recommender."""
    assert len(found) == len(expected)
    if tolerance < 1e-3:
        assert [movie.movie_id for movie in found] == expected[MOVIE_ID].tolist()
    for name in ("score", "predicted_rating"):
        values = [getattr(movie, name) for movie in found]
        np.testing.assert_allclose(values, expected[name], rtol=tolerance, atol=tolerance)


def test_known_users_get_the_same_lists_cold_and_busy_ones_too(both):
    recommender, lists, tolerance = both
    users = recommender.user_ids().tolist()
    found = lists.recommend(users, NUM_MOVIES)
    expected = recommender.recommend(users, NUM_MOVIES)
    assert list(found) == users
    assert len(users) == checkerboard.NUM_USERS + 1
    for user in users:
        assert_same(found[user], expected[expected[USER_ID] == user], tolerance)
    busy, cold = users[0], users[-1]
    assert (len(found[busy]), len(found[cold])) == (2, NUM_MOVIES - 2)


@pytest.mark.parametrize("num_ratings", [1, 3, 16, 17, NUM_MOVIES])
def test_new_users_get_the_same_lists(both, num_ratings):
    recommender, lists, tolerance = both
    movies = recommender.run.movies.ids[:NUM_MOVIES].tolist()[::-1][:num_ratings]
    ratings = {movie: 1 + place % 5 for place, movie in enumerate(movies)}
    assert_same(lists.recommend_for(ratings, 9), recommender.recommend_for(ratings, 9), tolerance)


@pytest.mark.parametrize("num_users", [0, 1, 2, 3, 5])
def test_a_list_is_the_same_whoever_is_asked_about_beside_and_however_long(board, num_users):
    lists = load(board)
    everybody = lists.recommend(lists.user_row, 5)
    some = list(lists.user_row)[::-30][:num_users]
    assert lists.recommend(some * 2, 3) == {user: everybody[user][:3] for user in some}


def test_more_users_than_a_block_are_asked_about_in_blocks(board, monkeypatch):
    lists = load(board)
    everybody = lists.recommend(lists.user_row, 5)
    assert len(everybody) < BLOCK_USERS
    monkeypatch.setattr(export_loader, "BLOCK_USERS", 64)
    assert lists.recommend(lists.user_row, 5) == everybody


def test_titles_have_the_year(board):
    assert {movie.title for movie in load(board).recommend([1000], 5)[1000]} <= {
        f"Film {id} (1999)" for id in range(500, 500 + NUM_MOVIES)
    }


def test_the_program_is_one_for_cpus_gpus_and_tpus(board):
    about = json.loads((board / "about.json").read_text())
    assert about["platforms"] == list(PLATFORMS) == ["cpu", "cuda", "tpu"]
    program = read_program((board / "lists.stablehlo").read_bytes(), about)
    sizes = {"users": 2, "ratings": 3}
    arguments = [
        jax.ShapeDtypeStruct([sizes.get(size, size) for size in argument["shape"]], argument["dtype"])
        for argument in about["arguments"]
    ]
    for platform in PLATFORMS:
        jax.jit(program.call).trace(*arguments).lower(lowering_platforms=(platform,))


def test_the_program_takes_what_about_json_says(board):
    about = json.loads((board / "about.json").read_text())
    text = read_program((board / "lists.stablehlo").read_bytes(), about).mlir_module()
    main = re.search(r"func public @main\((.*?)\) -> \((.*?)\) \{\n", text)
    kinds = {"float32": "f32", "int32": "i32", "bool": "i1"}
    arguments, results = (
        [
            "x".join([*("?" if isinstance(size, str) else str(size) for size in shape), kinds[kind]])
            for shape, kind in ((array["shape"], array["dtype"]) for array in about[name])
        ]
        for name in ("arguments", "results")
    )
    assert re.findall(r"tensor<(.*?)>", main[1]) == ["i32", *arguments]
    assert re.findall(r"tensor<(.*?)>", main[2]) == results


def test_users_take_no_memory_beside_their_arguments_and_lists(board):
    about = json.loads((board / "about.json").read_text())
    program = read_program((board / "lists.stablehlo").read_bytes(), about)

    def temporary(num_users: int) -> int:
        sizes = {"users": num_users, "ratings": 16}
        arguments = [
            jax.ShapeDtypeStruct([sizes.get(size, size) for size in argument["shape"]], argument["dtype"])
            for argument in about["arguments"]
        ]
        return jax.jit(program.call).lower(*arguments).compile().memory_analysis().temp_size_in_bytes

    assert temporary(1024) < temporary(16) + 1024


# Without the package.

BLOCKED = ("flax", "pandas", "pyarrow", "movierec_jax", "absl", "optax", "orbax", "jaxtyping", "flatbuffers", "fsspec")
ASK = f"""
import importlib.util, json, sys
sys.modules |= dict.fromkeys({BLOCKED})
spec = importlib.util.spec_from_file_location("loader", sys.argv[1] + "/loader.py")
loader = sys.modules["loader"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loader)
lists = loader.load(sys.argv[1])
print(json.dumps([lists.recommend([1001, 5000], 5), lists.recommend_for({{500: 5, 503: 1.5}}, 5)]))
"""


def test_the_loader_gives_the_same_lists_without_the_package_and_its_libraries(recommender, board):
    command = [sys.executable, "-I", "-c", ASK, str(board)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    interactions, new = json.loads(ended.stdout)
    for user in (1001, COLD_USER):
        found = [export_loader.ListEntry(*movie) for movie in interactions[str(user)]]
        assert_same(found, recommender.recommend([user], 5), 1e-5)
    found = [export_loader.ListEntry(*movie) for movie in new]
    assert_same(found, recommender.recommend_for({500: 5, 503: 1.5}, 5), 1e-5)


def printed(folder, *flags: str) -> subprocess.CompletedProcess:
    """What the loader of an export does as a program."""
    command = [sys.executable, "-I", str(folder / "loader.py"), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_loader_prints_lists(recommender, board):
    ended = printed(board, "--user_id=1001", "--rating", "500=5", "--rating=503=1.5", "--k=3")
    expected = [recommender.recommend([1001], 3), recommender.recommend_for({500: 5, 503: 1.5}, 3)]
    lines = []
    for whose, own in zip(["user 1001", "a new user"], expected, strict=True):
        lines += [f"recommended to {whose}", "  stars   score  movie_id"]
        for id, score, stars in zip(own[MOVIE_ID], own["score"], own["predicted_rating"], strict=True):
            lines.append(f"  {stars:5.2f}  {score:6.3f}  {id:8}  Film {id} (1999)")
    assert (ended.returncode, ended.stderr, ended.stdout.splitlines()) == (0, "", lines)


@pytest.fixture
def main(board, monkeypatch, capsys):
    """Runs the loader's main in this process: exit status and messages."""

    def run(*flags: str):
        monkeypatch.setattr(sys, "argv", ["loader.py", f"--folder={board}", *flags])
        with pytest.raises(SystemExit) as end:
            export_loader.main()
        return end.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "no ratings: give one or more"),
        (["--rating=500=9"], "rating=9: must be 1 to 5 stars"),
        (["--rating=500"], "--rating=500: must be MOVIE_ID=STARS, such as 500=4"),
        (["--rating=500=many"], "--rating=500=many: must be MOVIE_ID=STARS, such as 500=4"),
        (["--rating=900=4"], "unknown movie id 900: not among the 24 movies, such as 500"),
        (["--user_id=7"], "unknown user id 7: not among the 151 users, such as 1000"),
        (["--user_id=bob"], "--user_id=bob: ids are integers, such as 1000"),
        (["--user_id=1000", "--k=0"], "k=0: must be 1 to 5, the length of the lists that were exported"),
        (["--user_id=1000", "--k=6"], "k=6: must be 1 to 5, the length of the lists that were exported"),
    ],
)
def test_what_the_loader_cannot_use_is_one_message(main, flags, message):
    assert main(*flags) == (1, f"error: {message}\n")


def test_a_folder_that_is_no_export_is_refused(board, tmp_path):
    with pytest.raises(ValueError, match=r"no lists.stablehlo; name a folder that movierec export has written$"):
        load(tmp_path)
    for name in FILES:
        (tmp_path / name).write_bytes((board / name).read_bytes())
    about = json.loads((board / "about.json").read_text())
    (tmp_path / "about.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(ValueError, match=r"an export of format 99; this loader reads format 2$"):
        load(tmp_path)


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_flipped_bit_in_a_file_of_an_export_is_named_or_changes_nothing(board, tmp_path, name):
    folder = shutil.copytree(board, tmp_path / "export")
    content, num_refused = (folder / name).read_bytes(), 0
    for position in np.random.default_rng(0).integers(len(content), size=8):
        changed = bytearray(content)
        changed[position] ^= 1
        (folder / name).write_bytes(changed)
        try:
            assert load(folder).about == load(board).about
        except ValueError as error:
            num_refused += 1
            assert name in str(error) or "an export of format" in str(error)  # noqa: PT017
    # Only white space of about.json may change.
    assert num_refused == 8 or name == "about.json"
    assert num_refused > 4


# Writing.


def test_an_export_is_written_anew_over_another(recommender, tmp_path):
    export_lists(recommender, tmp_path / "export", 2)
    export_lists(recommender, tmp_path / "export", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == sorted(FILES)
    assert load(tmp_path / "export").about["top_k"] == 1


def test_a_run_on_many_devices_is_refused(recommender, tmp_path):
    mesh = Mesh(np.array(jax.devices()[:1]).reshape(1, 1), AXES)
    on_mesh = dataclasses.replace(recommender, run=dataclasses.replace(recommender.run, mesh=mesh))
    with pytest.raises(InputError, match=r"on one device: load it with mesh='data:1'$"):
        export_lists(on_mesh, tmp_path / "export", 1)
