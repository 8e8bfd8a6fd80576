"""A sequence baseline is fitted by another Python, which is told what to fit and leaves its lists in a folder."""

import sys
import textwrap

import pandas as pd
from helpers.checkerboard import table

from movierec_jax.benchmark.ranking_job import RankingJob, rank_apart
from movierec_jax.benchmark.ranking_task import RankingTask
from movierec_jax.config import Config

# In place of a Python with RecTools: lists the movies that users have not rated, those with the highest ids first.
HIGHEST_ID_FIRST = f"""\
    #!{sys.executable}
    import json, pathlib, sys
    import pandas as pd

    folder = pathlib.Path(sys.argv[2])
    job = json.loads((folder / "job.json").read_text())
    train, users = (pd.read_csv(folder / f"{{name}}.csv") for name in ("train", "users"))
    rows = []
    for user in users["user_id"]:
        own = set(train["movie_id"][train["user_id"] == user])
        unseen = [movie for movie in sorted(set(train["movie_id"]), reverse=True) if movie not in own]
        rows += [(user, movie, rank + 1) for rank, movie in enumerate(unseen[: job["k"]])]
    pd.DataFrame(rows, columns=["user_id", "movie_id", "rank"]).to_csv(folder / "lists.csv", index=False)
    figures = {{"fit_seconds": 1.0, "list_seconds": 2.0, "details": {{"model": job["model"]}}, "peak_memory_mb": 3.0}}
    (folder / "figures.json").write_text(json.dumps(figures))
"""


def test_the_lists_of_another_python_are_read_back_as_rows(tmp_path):
    python = tmp_path / "python"
    python.write_text(textwrap.dedent(HIGHEST_ID_FIRST))
    python.chmod(0o700)
    train = table([7, 7, 8, 9], [50, 20, 20, 30], [5, 5, 5, 5])
    RankingTask(train, train[:0], pd.Index([8, 7]), 1.0).save(tmp_path)
    job = RankingJob("sasrec", 1.0, 3, 0, Config(), str(python))
    lists, peak_memory_mb = rank_apart(job, tmp_path)
    # Rows 0, 1, 2 are the movies 20, 30, 50; row 3 marks an empty slot.
    assert lists.movie_row.tolist() == [[2, 1, 3], [1, 3, 3]]
    assert (lists.fit_seconds, lists.list_seconds, peak_memory_mb) == (1, 2, 3)
    assert lists.details == {"model": "sasrec"}
