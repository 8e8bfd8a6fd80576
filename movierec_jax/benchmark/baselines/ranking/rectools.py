"""Sequence models of RecTools, the settings of which are in `benchmark/rectools_script.py`."""

from movierec_jax.benchmark.baselines.records import SequenceBaseline

BASELINES = {
    "sasrec": SequenceBaseline("RecTools SASRec"),
    "bert4rec": SequenceBaseline("RecTools BERT4Rec"),
    "esasrec": SequenceBaseline("RecTools eSASRec"),
}
