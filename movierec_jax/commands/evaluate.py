"""Evaluates a trained run on its test part, or on other ratings that it was not trained on.

    movierec evaluate --workdir=runs/default
    movierec evaluate --workdir=runs/default --ratings=new_ratings.csv --output=figures.json
    movierec evaluate --workdir=runs/default --diversities=0,0.2,0.4,0.6,0.8

Takes about 6 seconds for the bundled data on 2 cores. Without --ratings it prints the figures of the run's report.json
and writes report.html anew if the workdir is writable. Flags that are not given keep the values of the training run.
"""

import os
import pathlib

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DEFAULT_WORKDIR, DeviceConfig, EvalConfig
from movierec_jax.settings import BELOW_1

WORKDIR = flags.DEFINE_string("workdir", DEFAULT_WORKDIR, "folder or URL of a trained run")
RATINGS = flags.DEFINE_string(
    "ratings", None, "ratings to evaluate on, in any format of movierec train. Unset: the test part"
)
DIVERSITIES = flags.DEFINE_list(
    "diversities",
    [],
    "also evaluate the lists that movierec score makes with each of these values of --diversity, and plot the "
    "trade-off to plots/diversity.png in the workdir",
)
OUTPUT = flags.DEFINE_string("output", None, "JSON file to write all figures to. Unset: none")


def main() -> None:
    from movierec_jax.data import storage

    if OUTPUT.value:
        from movierec_jax.recommend.write_lists import require_output

        require_output(pathlib.Path(OUTPUT.value), (".json",))
    with storage.synced_folder(WORKDIR.value) as (workdir, _):
        evaluate_run(workdir)


def evaluate_run(workdir: pathlib.Path) -> None:
    import pandas as pd

    from movierec_jax.data import storage
    from movierec_jax.data.files import read_sealed_json, write_json
    from movierec_jax.evaluation.evaluate import evaluate, tradeoff
    from movierec_jax.evaluation.plots import draw_tradeoff, drawn_all, save_png
    from movierec_jax.evaluation.report import align_columns, closing_table, held_out_figures, time_note
    from movierec_jax.evaluation.report_page import read_records, save_report_page
    from movierec_jax.recommend.recommender import load
    from movierec_jax.runs.prepare import cache_folder, read_held_out
    from movierec_jax.runs.run import known_movies_of_run

    diversities = cli.parse_numbers("diversities", DIVERSITIES.value)
    for diversity in diversities:
        BELOW_1.require("diversities", diversity)
    recommender = load(workdir, cli.section_from_flags(DeviceConfig()).mesh)
    run = recommender.run
    held_out = run.parts.test
    if RATINGS.value:
        seen = pd.concat([run.parts.train, run.parts.valid, run.parts.from_reviews], ignore_index=True)
        cache, known = cache_folder(workdir), known_movies_of_run(run)
        held_out = read_held_out(RATINGS.value, seen, run.rating_scale, run.config.data, cache, known)
    config = cli.section_from_flags(run.config.evaluation)
    evaluation = evaluate(run, recommender.params, held_out, config)
    print(f"{RATINGS.value or 'test part'}{time_note(run.config)}: {closing_table(evaluation)}")
    is_writable = os.access(workdir, os.W_OK) and not storage.is_url(WORKDIR.value)
    if not RATINGS.value and is_writable and (workdir / "report.json").exists():
        report = read_sealed_json(workdir / "report.json") | {"held_out": held_out_figures(evaluation)}
        save_report_page(workdir, recommender, read_records(workdir), report, evaluation.predicted)
        print(f"\nfigures and pictures: {WORKDIR.value}/report.html")
    points = []
    if diversities:
        k = config.eval_k[0]
        names = [f"{name}@{k}" for name in ("ndcg", "recall", "diversity", "coverage", "novelty", "gini")]
        points = tradeoff(run, recommender.params, held_out, config, diversities)
        rows = [[f"{point['diversity']:g}", *(f"{point[name]:.4f}" for name in names)] for point in points]
        print("\n" + align_columns([["diversity", *names], *rows]))
        figures = drawn_all({"diversity": lambda figure: draw_tradeoff(figure, points, k)})
        save_png(figures, workdir / "plots")
    if OUTPUT.value:
        write_json(pathlib.Path(OUTPUT.value), held_out_figures(evaluation) | ({"tradeoff": points} if points else {}))


def run() -> None:
    cli.run(main, [EvalConfig, DeviceConfig], __doc__)
