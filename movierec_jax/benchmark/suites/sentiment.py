"""How accurately and how fast texts are classified as praise or not: by our sentiment and baselines, on the same texts.

file of labelled texts -> each learns from its train part -> probabilities on its test part -> figures -> table
"""

import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from movierec_jax.benchmark.baselines import find_baseline
from movierec_jax.benchmark.baselines.records import Classify, SentimentBaseline
from movierec_jax.benchmark.bootstrap import Difference, bootstrap_mean, differences_to
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.provenance import bootstrap_note, fits_provenance, machine_note, provenance
from movierec_jax.benchmark.table import Table, output_folder, publish
from movierec_jax.config import Config
from movierec_jax.data.readers.tables.labelled_file import read_labelled
from movierec_jax.data.schema import LabelledTexts
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.train import fit_sentiment, label_log_loss

COLUMNS = ("", "accuracy", "log loss", "fit s", "texts/s", "accuracy - best baseline's")


@dataclasses.dataclass(frozen=True)
class SentimentResult:
    """One classifier, measured on the test part.

    is_right: whether each text is classified correctly. log_loss: None without probabilities. seconds: of each time
    that the whole test part was classified.
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

    def in_words(self) -> str:
        log_loss = "" if self.log_loss is None else f", log loss {self.log_loss:.4f}"
        return (
            f"{self.label}: accuracy {self.accuracy:.4f}{log_loss}, fitted in {self.fit_seconds:.1f} s, "
            f"{self.texts_per_second:,.0f} texts/s"
        )


def run_suite(
    config: Config, benchmark: BenchmarkConfig, command: str, settings: SentimentConfig | None = None
) -> dict[str, Any]:
    """Fits and measures our sentiment and the baselines, and publishes the table.

    config: not used. settings: of our sentiment; None: the defaults. Raises InputError for an unusable file and for a
    library that is not installed.
    """
    settings = settings or SentimentConfig()
    train, test = read_parts(benchmark.texts)
    baselines = [find_baseline("sentiment", name) for name in benchmark.baseline_names()]
    output = output_folder(benchmark.output)
    results = []
    for classifier in (our_sentiment(train, settings), *baselines):
        results.append(measure(classifier, train, test, benchmark.repeats if classifier.label == OUR_LABEL else 0))
        print(results[-1].in_words(), flush=True)
    differences = differences_to_best(results, test.group)
    figures = {
        **provenance(benchmark.suite, command),
        **fits_provenance((settings.seed,), settings, resampled="movies"),
        "texts": {"train": len(train), "test": len(test)},
        "rows": [row_figures(result, differences) for result in results],
    }
    publish(output, benchmark.suite, build_table(results, differences, train, test, benchmark), figures)
    return figures


def read_parts(path: str | None) -> tuple[LabelledTexts, LabelledTexts]:
    """Reads the train and test part of labelled texts. Raises InputError without a file, or without a split."""
    if path is None:
        raise InputError("--texts: the suite sentiment needs a file of labelled texts; give --texts=FILE")
    labelled = read_labelled(path)
    if labelled.is_test is None:
        raise InputError(f"{path}: no text is of the split test; add a column split with train and test in it")
    return select_texts(labelled, ~labelled.is_test), select_texts(labelled, labelled.is_test)


def select_texts(labelled: LabelledTexts, is_selected: Bool[np.ndarray, " texts"]) -> LabelledTexts:
    """Returns the selected texts, without a split."""
    return dataclasses.replace(
        labelled,
        text=labelled.text[is_selected].reset_index(drop=True),
        is_praise=labelled.is_praise[is_selected],
        stars=labelled.stars[is_selected],
        group=labelled.group[is_selected],
        is_test=None,
    )


def our_sentiment(train: LabelledTexts, settings: SentimentConfig) -> SentimentBaseline:
    """Returns our classifier, which also uses the movies and stars of the train texts."""

    def fit(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"]) -> Classify:
        sentiment = fit_sentiment(train, settings)
        return lambda texts: sentiment.opinions(texts).praise

    return SentimentBaseline(OUR_LABEL, fit)


def measure(classifier: SentimentBaseline, train: LabelledTexts, test: LabelledTexts, repeats: int) -> SentimentResult:
    """Fits a classifier to the train part and classifies the test part.

    repeats: times to classify the test part again; only these are timed, if there are any.
    """
    train_texts = train.text.tolist()
    start = time.perf_counter()
    classify = classifier.fit(train_texts, train.is_praise)
    fit_seconds = time.perf_counter() - start
    texts = test.text.tolist()
    praise, first_seconds = time_classifying(classify, texts)
    seconds = [time_classifying(classify, texts)[1] for _ in range(repeats)]
    log_loss = label_log_loss(praise, test.is_praise) if classifier.has_probability else None
    is_right = (praise > 0.5) == test.is_praise
    return SentimentResult(classifier.label, is_right, log_loss, fit_seconds, seconds or [first_seconds])


def time_classifying(classify: Classify, texts: Sequence[str]) -> tuple[Float[np.ndarray, " texts"], float]:
    """Returns the probabilities of praise, and the seconds it took."""
    start = time.perf_counter()
    praise = classify(texts)
    return praise, time.perf_counter() - start


def differences_to_best(results: Sequence[SentimentResult], group: Int[np.ndarray, " texts"]) -> dict[str, Difference]:
    """Returns the difference of each accuracy to the best baseline's, by label; empty if there is no baseline.

    results: our own first. Movies are resampled, each with all its test texts. group: the movie of each test text.
    """
    baselines = results[1:]
    if not baselines:
        return {}
    best = max(baselines, key=lambda one: one.accuracy)
    _, movie = np.unique(group, return_inverse=True)
    num_right = np.array([np.bincount(movie, one.is_right) for one in results])
    accuracy = {one.label: one.accuracy for one in results}
    return differences_to(best.label, accuracy, bootstrap_mean(num_right, np.bincount(movie)))


def build_table(
    results: Sequence[SentimentResult],
    differences: dict[str, Difference],
    train: LabelledTexts,
    test: LabelledTexts,
    benchmark: BenchmarkConfig,
) -> Table:
    """Returns a row for each classifier."""
    cells = []
    for one in results:
        row = [one.label, f"{one.accuracy:.4f}", "-" if one.log_loss is None else f"{one.log_loss:.4f}"]
        row += [f"{one.fit_seconds:.1f}", f"{one.texts_per_second:,.0f}"]
        found = differences.get(one.label)
        row.append(found.in_words() if found else "best baseline" if differences else "-")
        cells.append(tuple(row))
    words = round(test.text.str.split().str.len().mean())
    notes = (
        f"{len(train):,} train and {len(test):,} test texts of {words} words on average; {test.is_praise.mean():.1%} "
        "of the latter praise",
        "fit s: from texts to the fitted classifier, with compilation and, of our model, calibration on some of them",
        f"texts/s: from texts to probabilities; of our model the median of {benchmark.repeats} times after the first",
        bootstrap_note("movies"),
        machine_note(),
    )
    return Table(f"{benchmark.suite}: {benchmark.texts}", COLUMNS, tuple(cells), notes)


def row_figures(result: SentimentResult, differences: dict[str, Difference]) -> dict[str, Any]:
    """Returns a row as plain values."""
    found = differences.get(result.label)
    return {
        "label": result.label,
        "accuracy": result.accuracy,
        "log_loss": result.log_loss,
        "fit_seconds": result.fit_seconds,
        "texts_per_second": result.texts_per_second,
        "seconds": result.seconds,
        "differences": {"accuracy": found.as_json()} if found else {},
    }
