"""How well, and how fast, texts are told to praise or blame: by ours and by others, from the same texts.

a file of labelled texts -> each learns from its train part -> probabilities on its test part -> figures -> table
"""

import dataclasses
import pathlib
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from movierec_jax.benchmark.bootstrap import CONFIDENCE, NUM_RESAMPLES, bootstrap_mean, interval
from movierec_jax.benchmark.classifier import Classifier, Tell, find_classifier
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.environment import machine, versions
from movierec_jax.benchmark.table import Table, as_text, with_interval, write_table
from movierec_jax.config import Config
from movierec_jax.data.readers.labelled_file import read_labelled
from movierec_jax.data.schema import LabelledTexts
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.train import fit_sentiment, label_log_loss
from movierec_jax.packages import import_extra
from movierec_jax.settings import to_json

OURS = "movierec_jax"

COLUMNS = ("", "accuracy", "log loss", "fit s", "texts/s", "accuracy - best other's")


@dataclasses.dataclass(frozen=True)
class Measured:
    """One classifier on the test part.

    is_right: whether each text is told right. log_loss: None where there is no probability. seconds: for all texts of
    the test part, each time that they were told.
    """

    label: str
    is_right: Bool[np.ndarray, " texts"]
    log_loss: float | None
    fit_seconds: float
    seconds: list[float]

    @property
    def accuracy(self) -> float:
        return float(self.is_right.mean())

    @property
    def texts_per_second(self) -> float:
        return len(self.is_right) / statistics.median(self.seconds)


def run_suite(
    config: Config, benchmark: BenchmarkConfig, command: str, settings: SentimentConfig | None = None
) -> dict[str, Any]:
    """Fits and measures all, prints the table, writes it as Markdown and JSON, and returns what the latter holds.

    config is not looked at. settings: of ours; without them the defaults. Raises InputError for a file that cannot be
    used, and for a library that is not installed.
    """
    settings = settings or SentimentConfig()
    train, test = read_parts(benchmark.texts)
    classifiers = [installed(name) for name in benchmark.classifiers]
    output = pathlib.Path(benchmark.output)
    output.mkdir(parents=True, exist_ok=True)
    measured = []
    for one in (ours(train, settings), *classifiers):
        measured.append(measure(one, train, test, benchmark.repeats if one.label == OURS else 0))
        print(in_words(measured[-1]), flush=True)
    differences = differences_to_best(measured, test.group)
    table = build_table(measured, differences, train, test, benchmark)
    print(f"\n{as_text(table)}\n")
    figures = {
        "suite": benchmark.suite,
        "command": command,
        "versions": versions(),
        "machine": machine(),
        "texts": {"train": len(train), "test": len(test)},
        "settings": to_json(settings),
        "bootstrap": {"over": "movies", "draws": NUM_RESAMPLES, "confidence": CONFIDENCE},
        "rows": [row_figures(one, differences) for one in measured],
    }
    write_table(output, benchmark.suite, table, figures)
    print(f"table and all figures in {output / benchmark.suite}.md and .json")
    return figures


def read_parts(path: str | None) -> tuple[LabelledTexts, LabelledTexts]:
    """The texts to learn from and those to be told. Raises InputError without a file, or without either part."""
    if path is None:
        raise InputError("--texts: the suite sentiment needs a file of labelled texts; give --texts=FILE")
    labelled = read_labelled(path)
    if labelled.is_test is None:
        raise InputError(f"{path}: no text is of the split test; add a column split with train and test in it")
    return part_of(labelled, ~labelled.is_test), part_of(labelled, labelled.is_test)


def part_of(labelled: LabelledTexts, which: Bool[np.ndarray, " texts"]) -> LabelledTexts:
    """Some of the texts, none of them set aside."""
    return dataclasses.replace(
        labelled,
        text=labelled.text[which].reset_index(drop=True),
        is_praise=labelled.is_praise[which],
        stars=labelled.stars[which],
        group=labelled.group[which],
        is_test=None,
    )


def installed(name: str) -> Classifier:
    """A classifier. Raises InputError where its library is not installed."""
    classifier = find_classifier(name)
    if classifier.library:
        import_extra(classifier.library, "bench")
    return classifier


def ours(train: LabelledTexts, settings: SentimentConfig) -> Classifier:
    """Our own, which also looks at the movies and stars of the texts that it learns from."""

    def fit(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"]) -> Tell:
        sentiment = fit_sentiment(train, settings)
        return lambda texts: sentiment.opinions(texts).praise

    return Classifier(OURS, fit)


def measure(classifier: Classifier, train: LabelledTexts, test: LabelledTexts, repeats: int) -> Measured:
    """Fits a classifier and has it tell the test part.

    repeats: times that it does so again, of which the seconds are then taken and not of the first.
    """
    known = train.text.tolist()
    start = time.perf_counter()
    tell = classifier.fit(known, train.is_praise)
    fit_seconds = time.perf_counter() - start
    texts = test.text.tolist()
    praise, seconds = told(tell, texts)
    again = [told(tell, texts)[1] for _ in range(repeats)]
    log_loss = label_log_loss(praise, test.is_praise) if classifier.has_probability else None
    return Measured(classifier.label, (praise > 0.5) == test.is_praise, log_loss, fit_seconds, again or [seconds])


def told(tell: Tell, texts: Sequence[str]) -> tuple[Float[np.ndarray, " texts"], float]:
    """What is told of texts, and the seconds it took."""
    start = time.perf_counter()
    praise = tell(texts)
    return praise, time.perf_counter() - start


def differences_to_best(
    measured: Sequence[Measured], group: Int[np.ndarray, " texts"]
) -> dict[str, tuple[str, float, tuple[float, float]]]:
    """For each but the best other: who that is, how far its accuracy is from that, and the interval of it.

    Movies are drawn, each with all texts of the test part about it. Empty where there is no other.
    """
    others = measured[1:]
    if not others:
        return {}
    best = max(others, key=lambda one: one.accuracy)
    _, movie = np.unique(group, return_inverse=True)
    num_right = np.array([np.bincount(movie, one.is_right) for one in measured])
    resampled = bootstrap_mean(num_right, np.bincount(movie))
    against = resampled - resampled[:, [measured.index(best)]]
    return {
        one.label: (best.label, one.accuracy - best.accuracy, interval(against[:, number]))
        for number, one in enumerate(measured)
        if one is not best
    }


def in_words(one: Measured) -> str:
    """The figures in one line."""
    log_loss = "" if one.log_loss is None else f", log loss {one.log_loss:.4f}"
    return (
        f"{one.label}: accuracy {one.accuracy:.4f}{log_loss}, fitted in {one.fit_seconds:.1f} s, "
        f"{one.texts_per_second:,.0f} texts/s"
    )


def build_table(
    measured: Sequence[Measured],
    differences: dict[str, tuple[str, float, tuple[float, float]]],
    train: LabelledTexts,
    test: LabelledTexts,
    benchmark: BenchmarkConfig,
) -> Table:
    """A row for each classifier."""
    cells = []
    for one in measured:
        row = [one.label, f"{one.accuracy:.4f}", "-" if one.log_loss is None else f"{one.log_loss:.4f}"]
        row += [f"{one.fit_seconds:.1f}", f"{one.texts_per_second:,.0f}"]
        found = differences.get(one.label)
        row.append(with_interval(found[1], found[2], 4) if found else "best other" if differences else "-")
        cells.append(tuple(row))
    words = round(test.text.str.split().str.len().mean())
    place = machine()
    notes = (
        f"{len(train):,} train and {len(test):,} test texts of {words} words in the mean; {test.is_praise.mean():.1%} "
        "of the latter praise",
        "fit s: from texts to the fitted classifier, with compilation and, of ours, calibration on some of them",
        f"texts/s: from texts to probabilities; of ours the median of {benchmark.repeats} times after the first",
        f"in brackets the {CONFIDENCE:.0%} interval of a paired bootstrap over movies, {NUM_RESAMPLES:,} draws",
        f"{place['processor']}, {place['cores']} cores, {place['memory_gb']:g} GB; Python {versions()['python']}",
    )
    return Table(f"sentiment: {benchmark.texts}", COLUMNS, tuple(cells), notes)


def row_figures(one: Measured, differences: dict[str, tuple[str, float, tuple[float, float]]]) -> dict[str, Any]:
    """A row as plain values."""
    found = differences.get(one.label)
    return {
        "label": one.label,
        "accuracy": one.accuracy,
        "log_loss": one.log_loss,
        "fit_seconds": one.fit_seconds,
        "texts_per_second": one.texts_per_second,
        "seconds": one.seconds,
        "difference": {"to": found[0], "accuracy": found[1], "interval": list(found[2])} if found else None,
    }
