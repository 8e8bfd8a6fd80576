"""Exports a trained run to a folder that recommends without this package: program, tables, ids and loader.

    movierec export --workdir=runs/small --output=runs/export
    python runs/export/loader.py --user_id=42
    python runs/export/loader.py --rating 318=5 --rating 296=4.5

The program is StableHLO for CPUs, CUDA GPUs and TPUs. The loader needs only JAX and NumPy. It returns the lists of
movierec score, and lists for new users from their ratings; its docstring describes the files and the call from other
languages. An existing export is replaced.
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DEFAULT_WORKDIR, FILE_TOP_K

WORKDIR = flags.DEFINE_string("workdir", DEFAULT_WORKDIR, "folder or URL of a trained run")
OUTPUT = flags.DEFINE_string("output", "runs/export", "folder or URL to write")
TOP_K = flags.DEFINE_integer("top_k", None, f"longest list. Unset: {FILE_TOP_K} movies, or all if there are fewer")


def main() -> None:
    from movierec_jax.data import storage
    from movierec_jax.recommend.export import export_lists, require_export
    from movierec_jax.recommend.recommender import load

    require_export(OUTPUT.value)
    recommender = load(WORKDIR.value, mesh="data:1")
    k = min(FILE_TOP_K, len(recommender.run.movies)) if TOP_K.value is None else TOP_K.value
    with storage.synced_folder(OUTPUT.value, is_downloaded=False) as (folder, _):
        export_lists(recommender, folder, k)
    print(f"{OUTPUT.value}: lists of up to {k} movies for {len(recommender.user_ids()):,} users and for new ones")


def run() -> None:
    cli.run(main, [], __doc__)
