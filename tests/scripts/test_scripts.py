"""The scripts run as commands on the bundled ratings."""

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.config import DeviceConfig, EvalConfig, ModelConfig, ScoreConfig, TrainConfig
from movierec_jax.data_config import DataConfig, PrepareConfig
from movierec_jax.runs.config import LogConfig, ProcessConfig
from movierec_jax.settings import as_flag

ROOT = pathlib.Path(__file__).parents[2]
SECTIONS = {
    "train": [DataConfig, ModelConfig, TrainConfig, EvalConfig, LogConfig, DeviceConfig, ProcessConfig],
    "evaluate": [EvalConfig, DeviceConfig],
    "score": [ScoreConfig, DeviceConfig, ProcessConfig],
    "export": [],
    "compile_for": [DataConfig, ModelConfig, TrainConfig, EvalConfig, DeviceConfig],
    "prepare": [PrepareConfig],
    "benchmark": [BenchmarkConfig, DataConfig, ModelConfig, TrainConfig, EvalConfig],
}
EPOCHS = 16


def command(name: str, *arguments: str) -> list[str]:
    # Without a buffer, so that lines can be read as they are printed.
    return [sys.executable, "-u", str(ROOT / "scripts" / f"{name}.py"), *arguments]


def run_script(name: str, *arguments: str) -> str:
    """What a script prints; it must succeed without a message on standard error."""
    wide = os.environ | {"COLUMNS": "200"}  # titles whole
    ended = subprocess.run(command(name, *arguments), cwd=ROOT, env=wide, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def train_flags(workdir: pathlib.Path) -> list[str]:
    small = ["--embedding_dim=2", "--hidden_dims=", "--batch_size=8192", "--eval_k=10", "--patience=0"]
    return [f"--workdir={workdir}", f"--epochs={EPOCHS}", *small]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    (folder.parent / "train.txt").write_text(run_script("train", *train_flags(folder)))
    return folder


@pytest.fixture(scope="module")
def report(workdir):
    return json.loads((workdir / "report.json").read_text())


# Train and evaluate.


def test_training_prints_each_epoch_and_the_table_of_the_test_part(workdir, report):
    printed = (workdir.parent / "train.txt").read_text()
    assert "MovieLens CSV in data/ml-latest-small: 100,836 ratings of 0.5 to 5 stars" in printed
    epochs = re.findall(r"^epoch +(\d+) of 16 ", printed, re.MULTILINE)
    assert [int(epoch) for epoch in epochs] == list(range(1, EPOCHS + 1))
    assert re.search(rf"^model +{report['test']['rmse']:.4f} ", printed, re.MULTILINE)


def test_training_beats_a_constant_by_learning(report):
    rmse = {name: rows["all"]["rmse"] for name, rows in report["held_out"]["rating"].items()}
    assert rmse["model"] < 0.95 * rmse["constant"]


@pytest.mark.parametrize("own_ratings", [False, True], ids=["of the test part", "of the same ratings in a file"])
def test_evaluation_prints_the_figures_of_the_report(workdir, report, tmp_path, own_ratings):
    ratings = [f"--ratings={workdir}/ratings/test.parquet"] if own_ratings else []
    flags = [f"--workdir={workdir}", f"--output={tmp_path}/figures.json", "--eval_k=10", *ratings]
    printed = run_script("evaluate", *flags)
    assert json.loads((tmp_path / "figures.json").read_text()) == report["held_out"]
    assert re.search(rf"^10, model +{report['test']['ndcg@10']:.4f} ", printed, re.MULTILINE)


@pytest.mark.slow
def test_an_ensemble_learns_from_a_feature_file(tmp_path):
    movies = pd.read_csv(ROOT / "data" / "ml-latest-small" / "movies.csv")
    features = pd.DataFrame({"movieId": movies["movieId"], "length": movies["title"].str.len()})
    features.to_csv(tmp_path / "lengths.csv", index=False)
    small = ["--ensemble_size=2", "--epochs=1", "--embedding_dim=4", "--hidden_dims=", "--eval_k=10"]
    printed = run_script("train", *small, f"--workdir={tmp_path}/run", f"--movie_features={tmp_path}/lengths.csv")
    assert (
        f"{tmp_path}/lengths.csv: describes 9,742 of 9,742 movies\n  length: numbers, 1 feature of 9,742 movies"
        in printed
    )
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["epochs"] == 1
    assert report["held_out"]["intervals"]["mean_spread"] > 0
    names = pd.read_parquet(tmp_path / "run" / "features" / "movies_names.parquet")["name"]
    assert "length" in set(names)


# Score.


@pytest.fixture(scope="module")
def lists(workdir):
    """Ten movies for every user."""
    output = workdir.parent / "lists.parquet"
    printed = run_script("score", f"--workdir={workdir}", f"--output={output}", "--top_k=10")
    assert f"{output}: 6,100 rows for 610 users" in printed
    return pd.read_parquet(output)


def test_lists_have_the_promised_columns(lists):
    assert {name: str(kind) for name, kind in lists.dtypes.items()} == {
        "user_id": "int64",
        "movie_id": "int64",
        "rank": "int32",
        "score": "float32",
        "predicted_rating": "float32",
    }


def test_every_user_has_a_list_best_first(lists):
    by_user = lists.groupby("user_id")
    assert sorted(by_user.groups) == list(range(1, 611))
    assert (by_user["rank"].apply(list).map(tuple) == tuple(range(1, 11))).all()
    assert by_user["score"].apply(lambda score: score.is_monotonic_decreasing).all()
    assert lists["predicted_rating"].between(0.5, 5.0).all()
    # Implicit-feedback scores times a chance, not stars.
    assert lists["score"].between(0, 1.5).all()


def test_no_list_has_a_movie_that_its_user_has_rated(lists):
    rated = pd.read_csv(ROOT / "data" / "ml-latest-small" / "ratings.csv")
    pairs = lists.merge(rated, left_on=["user_id", "movie_id"], right_on=["userId", "movieId"])
    assert len(pairs) == 0


def test_a_csv_of_some_users_scored_one_by_one_has_the_same_lists(workdir, lists, tmp_path):
    (tmp_path / "users.txt").write_text("42\n\n7\n42\n")
    flags = [f"--users_file={tmp_path}/users.txt", f"--output={tmp_path}/lists.csv", "--top_k=10", "--block_users=1"]
    run_script("score", f"--workdir={workdir}", *flags)
    expected = pd.concat([lists[lists["user_id"] == user] for user in (42, 7)], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "lists.csv", dtype=lists.dtypes.to_dict()), expected)


def test_the_lists_of_single_users_are_printed_with_titles(workdir, lists, tmp_path):
    printed = run_script("score", f"--workdir={workdir}", "--user_id=42", "--user_id=7", "--top_k=3")
    movies = pd.read_parquet(workdir / "movies.parquet").set_index("movie_id")
    for user in (42, 7):
        shown = printed.split(f"recommended to user {user}\n\n")[1].splitlines()[1:4]
        best = lists[lists["user_id"] == user].head(3)
        for line, movie_id, stars in zip(shown, best["movie_id"], best["predicted_rating"], strict=True):
            assert line.split()[0] == f"{stars:.2f}"
            assert movies["title"][movie_id] in line
            assert str(movie_id) in line.split()


def test_the_list_of_one_user_can_be_written(workdir, lists, tmp_path):
    output = tmp_path / "lists.csv"
    run_script("score", f"--workdir={workdir}", "--user_id=42", f"--output={output}", "--titles", "--top_k=3")
    best = lists[lists["user_id"] == 42].head(3)
    written = pd.read_csv(output)
    assert written["movie_id"].tolist() == best["movie_id"].tolist()
    assert written["title"].notna().all()


def test_lists_can_be_filtered_diversified_and_explained(workdir):
    flags = ["--user_id=42", "--genres=Film-Noir,Western", "--years=1930,1969", "--min_ratings=5", "--diversity=0.3"]
    printed = run_script("score", f"--workdir={workdir}", *flags, "--explain", "--top_k=4")
    lines = printed.split("recommended to user 42\n\n")[1].splitlines()[1:]
    assert len(lines) == 8
    for shown, reason in zip(lines[::2], lines[1::2], strict=True):
        assert "Film-Noir" in shown or "Western" in shown
        assert 1930 <= int(re.search(r"\((\d{4})\)", shown)[1]) <= 1969
        assert re.match(r"^ +(because of .+|for its .+)$", reason)


def test_an_export_of_letterboxd_gets_a_list_without_its_movies(workdir, tmp_path):
    path = tmp_path / "ratings.csv"
    rows = ["Toy Story,1995,4.5", "The Matrix,1999,5", "No Such Film,1930,3"]
    lines = [f"2024-01-02,{row}".rsplit(",", 1) for row in rows]
    path.write_text(
        "Date,Name,Year,Letterboxd URI,Rating\n"
        + "".join(f"{start},https://boxd.it/x,{rating}\n" for start, rating in lines)
    )
    printed = run_script("score", f"--workdir={workdir}", f"--my_ratings={path}", "--top_k=3")
    given, listed = printed.split("recommended to you")
    assert "No Such Film (1930)" in given
    assert "Toy Story (1995)" in given
    assert len(re.findall(r"\(\d{4}\)", listed)) == 3
    assert "Toy Story" not in listed
    assert "Matrix" not in listed


@pytest.mark.slow
def test_lists_can_be_limited_to_praised_movies(reviewed_workdir, tmp_path):
    flags = [f"--workdir={reviewed_workdir}", "--praised=music,pace", "--include_seen"]
    printed = run_script("score", *flags, "--user_id=42", "--explain")
    lines = printed.split("recommended to user 42\n\n")[1].splitlines()[1:]
    assert len([line for line in lines if re.search(r"\((1994|1999)\)", line)]) == 2
    assert len([line for line in lines if re.match(r"^ +\d reviews, \d+% praise; praised: ", line)]) == 2
    run_script("score", *flags, f"--output={tmp_path}/lists.parquet")
    lists = pd.read_parquet(tmp_path / "lists.parquet")
    assert set(lists["movie_id"]) == {318, 2571}
    refused = subprocess.run(command("score", *flags, "--praised=love"), cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "--praised=love: not praised by reviews of this run" in refused.stderr


def test_the_trade_off_of_diversity_is_measured_and_plotted(workdir, tmp_path):
    output = tmp_path / "figures.json"
    flags = [f"--workdir={workdir}", "--diversities=0,0.5", "--eval_k=10", f"--output={output}"]
    printed = run_script("evaluate", *flags)
    head, plain, diverse = (line.split() for line in printed.strip().splitlines()[-3:])
    at = {name: column for column, name in enumerate(head)}
    assert [plain[0], diverse[0]] == ["0", "0.5"]
    assert float(plain[at["diversity@10"]]) < float(diverse[at["diversity@10"]])
    assert (workdir / "plots" / "diversity.png").exists()
    assert [point["diversity"] for point in json.loads(output.read_text())["tradeoff"]] == [0, 0.5]


# Export.


def test_an_export_prints_the_same_lists_without_the_package(workdir, lists, tmp_path):
    printed = run_script("export", f"--workdir={workdir}", f"--output={tmp_path}/export", "--top_k=20")
    assert printed == f"{tmp_path}/export: lists of up to 20 movies for 610 users and for new ones\n"
    loader = [sys.executable, "-I", str(tmp_path / "export" / "loader.py"), "--user_id=42", "--k=5"]
    shown = subprocess.run(loader, capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    movies = pd.read_parquet(workdir / "movies.parquet").set_index("movie_id")
    best = lists[lists["user_id"] == 42].head(5)
    for line, movie_id, stars in zip(shown, best["movie_id"], best["predicted_rating"], strict=True):
        assert line.split()[0] == f"{stars:.2f}"
        assert movies["title"][movie_id] in line


# Help.


def help_of(name: str, flag: str) -> str:
    """What a script prints for --help or --helpfull; it must not load JAX or pandas."""
    arguments = command(name, flag)
    arguments[1:1] = ["-X", "importtime"]
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    imported = {line.split("|")[-1].strip().split(".")[0] for line in ended.stderr.splitlines()}
    assert "absl" in imported
    assert not imported & {"flax", "jax", "matplotlib", "optax", "orbax", "pandas"}
    return ended.stdout


def own_flags(name: str) -> list[str]:
    """The flags that a command defines by itself, in the order of its source, and the one that all have."""
    source = ROOT / "movierec_jax" / "commands" / f"{name}.py"
    return [*re.findall(r'DEFINE_\w+\(\s*"(\w+)"', source.read_text()), "config"]


def flags_shown(text: str) -> list[str]:
    return re.findall(r"^  --(\w+)=\S*\n {8}\S", text, re.MULTILINE)


@pytest.mark.parametrize("name", SECTIONS)
def test_helpfull_shows_every_flag_with_its_default_by_group(name):
    text = help_of(name, "--helpfull")
    fields = [field for section in SECTIONS[name] for field in dataclasses.fields(section)]
    assert flags_shown(text) == [*own_flags(name), *(field.name for field in fields)]
    for field in fields:
        assert f"\n  --{field.name}={as_flag(field.default)}\n" in text
        assert f"\n\n{field.metadata['heading']}" in text


@pytest.mark.parametrize("name", SECTIONS)
def test_help_shows_the_flags_that_people_use_first_and_names_helpfull(name):
    text = help_of(name, "--help")
    fields = [field for section in SECTIONS[name] for field in dataclasses.fields(section)]
    common = [field.name for field in fields if field.metadata["is_common"]]
    assert flags_shown(text) == [*own_flags(name), *common]
    assert len(common) <= 20
    num_more = len(fields) - len(common)
    assert text.endswith(f"\n--helpfull also shows the other {num_more} flags.\n") == (num_more > 0)


def test_a_script_ends_quietly_when_its_output_is_closed():
    arguments = command("train", "--help")
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.communicate()[1] == b""
    assert process.returncode == 128 + signal.SIGPIPE
