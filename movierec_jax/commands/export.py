"""Exports a trained run to a folder that is used without this package.

    movierec export --workdir=runs/small --output=runs/export
    python runs/export/loader.py --user_id=42
    python runs/export/loader.py --rating 318=5 --rating 296=4.5
    movierec export --workdir=runs/small --output=runs/index --format=faiss

stablehlo: a program for CPUs, CUDA GPUs and TPUs, its tables, ids and a loader, which needs only JAX and NumPy. The
loader returns the lists of movierec score, and lists for new users from their ratings; its docstring describes the
files and the call from other languages. hugging_face: the same with a model card. faiss: the implicit-feedback vectors,
and an index that finds a user's candidates among very many movies. An existing export is replaced.
"""

import pathlib

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DEFAULT_WORKDIR, FILE_TOP_K

WORKDIR = flags.DEFINE_string("workdir", DEFAULT_WORKDIR, "folder or URL of a trained run")
OUTPUT = flags.DEFINE_string("output", "runs/export", "folder or URL to write")
FORMAT = flags.DEFINE_enum(
    "format",
    "stablehlo",
    ["stablehlo", "hugging_face", "faiss"],
    "lists by a program; the same with a model card for Hugging Face; vectors and an index of them for faiss",
)
TOP_K = flags.DEFINE_integer("top_k", None, f"longest list. Unset: {FILE_TOP_K} movies, or all if there are fewer")


def main() -> None:
    from movierec_jax.data import storage
    from movierec_jax.data.files import read_sealed_json
    from movierec_jax.recommend.export import export_lists, require_export
    from movierec_jax.recommend.model_card import model_card
    from movierec_jax.recommend.recommender import load
    from movierec_jax.recommend.vector_index import export_index

    require_export(OUTPUT.value)
    with storage.synced_folder(WORKDIR.value) as (workdir, _):
        recommender = load(workdir, mesh="data:1")
        report = read_sealed_json(workdir / "report.json") if FORMAT.value == "hugging_face" else None
    k = min(FILE_TOP_K, len(recommender.run.movies)) if TOP_K.value is None else TOP_K.value
    with storage.synced_folder(OUTPUT.value, is_downloaded=False) as (folder, _):
        if FORMAT.value == "faiss":
            print(f"{OUTPUT.value}: {export_index(recommender, folder, k)}")
            return
        card = None
        if report is not None:
            data = pathlib.PurePath(recommender.run.config.data.ratings).name
            card = model_card(report, name=folder.name, data=data)
        export_lists(recommender, folder, k, card)
    print(f"{OUTPUT.value}: lists of up to {k} movies for {len(recommender.user_ids()):,} users and for new ones")


def run() -> None:
    cli.run(main, [], __doc__)
