"""Writes a trained run as a folder that gives its lists without this package: a program, tables, ids and a loader.

    python scripts/export.py --workdir=runs/small --output=runs/export
    python runs/export/loader.py --user_id=42
    python runs/export/loader.py --rating 318=5 --rating 296=4.5

The program is StableHLO for CPUs, CUDA GPUs and TPUs. The loader needs JAX and NumPy alone, and gives the lists of
score.py for the users of the data, and those for somebody new by their ratings; its docstring says what the files are
and how other languages call the program. An export that is there is written anew.
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DEFAULT_WORKDIR, FILE_TOP_K

WORKDIR = flags.DEFINE_string("workdir", DEFAULT_WORKDIR, "folder or URL that scripts/train.py has written")
OUTPUT = flags.DEFINE_string("output", "runs/export", "folder or URL to write")
TOP_K = flags.DEFINE_integer(
    "top_k", None, f"movies that a list can have; without it {FILE_TOP_K}, or all if they are fewer"
)


def main() -> None:
    from movierec_jax import load
    from movierec_jax.data import storage
    from movierec_jax.recommend.export import export_lists, require_export

    require_export(OUTPUT.value)
    recommender = load(WORKDIR.value, mesh="data:1")
    k = min(FILE_TOP_K, len(recommender.run.movies)) if TOP_K.value is None else TOP_K.value
    with storage.synced_folder(OUTPUT.value, is_downloaded=False) as (folder, _):
        export_lists(recommender, folder, k)
    print(f"{OUTPUT.value}: lists of up to {k} movies for {len(recommender.user_ids()):,} users and for new ones")


if __name__ == "__main__":
    cli.run(main, [], __doc__)
