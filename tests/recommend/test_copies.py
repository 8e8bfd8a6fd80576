"""A recommender sent to other processes: loaded there from its workdir, and refused in forked ones."""

import concurrent.futures
import copy
import dataclasses
import multiprocessing
import pickle
import shutil
import warnings

import jax
import pandas as pd
import pytest
from helpers.recommenders import hand_made_recommender

from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import load

SECONDS = 120


@pytest.fixture(scope="module")
def copied(recommender):
    """The recommender as it comes back from its bytes."""
    return pickle.loads(pickle.dumps(recommender))


def test_a_recommender_is_sent_by_its_workdir_and_comes_back_the_same(recommender, copied):
    assert len(pickle.dumps(recommender)) < 1000
    assert repr(copied) == repr(recommender)
    pd.testing.assert_frame_equal(copied.recommend([1001], 5), recommender.recommend([1001], 5), check_exact=True)


def test_a_copy_can_be_sent_on(copied):
    assert pickle.dumps(copied) == pickle.dumps(pickle.loads(pickle.dumps(copied)))


def test_new_users_are_sent_with_their_ratings(recommender):
    new = recommender.with_new_users([("ann", 500, 5, "2024-05-31"), ("ann", 501, 1, "2024-06-01")])
    again = pickle.loads(pickle.dumps(new))
    pd.testing.assert_frame_equal(again.parts.train, new.parts.train)
    pd.testing.assert_frame_equal(again.recommend("ann", 3), new.recommend("ann", 3), check_exact=True)


def test_a_copy_within_the_process_is_the_recommender_itself():
    recommender = hand_made_recommender([0, 0])
    assert copy.copy(recommender) is recommender
    assert copy.deepcopy(recommender) is recommender


def test_a_recommender_without_a_workdir_cannot_be_sent():
    with pytest.raises(InputError, match=r"by its workdir: train one, then load\(\) it"):
        pickle.dumps(hand_made_recommender([0, 0]))


def test_a_workdir_that_is_gone_or_holds_another_run_is_named(workdir, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(workdir, folder)
    found = load(folder)
    scorer = dataclasses.replace(found.scorer, params=jax.tree.map(lambda leaf: leaf + 1, found.params))
    other = dataclasses.replace(found, scorer=scorer)
    with pytest.raises(InputError, match=rf"^{folder}: trained anew since the recommender was loaded from it"):
        pickle.loads(pickle.dumps(other))
    sent = pickle.dumps(found)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match=rf"^{folder}: no config\.json"):
        pickle.loads(sent)


def test_what_a_copy_does_not_have_is_no_attribute(copied):
    with pytest.raises(AttributeError, match="'Recommender' object has no attribute 'forecast'"):
        _ = copied.forecast


def answer(method: str, workdir: str, recommender, *arguments) -> pd.DataFrame:
    """Returns what `recommender`, or without one that of a workdir, answers in a worker process."""
    found = load(workdir) if recommender is None else recommender
    return getattr(found, method)(*arguments)


def in_another_process(how: str, *tasks) -> list:
    """Returns the results, or the errors, of tasks of one process that is started in a way."""
    with warnings.catch_warnings():
        # JAX warns of each fork; here it is on purpose.
        warnings.filterwarnings("ignore", message=r"os\.fork|This process .* is multi-threaded")
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context(how)) as pool:
            futures = [pool.submit(*task) for task in tasks]
            return [future.exception(SECONDS) or future.result() for future in futures]


def test_a_forked_process_says_that_it_cannot_answer(recommender, workdir):
    new = recommender.with_new_users([("ann", 500, 5)])
    methods = [("recommend", 1001), ("predict", 1001, 501), ("similar", 501), ("recommend_for", {500: 5})]
    tasks = [(answer, method, "", recommender, *rest) for method, *rest in methods]
    tasks += [(answer, "recommend", "", new, "ann"), (answer, "user_ids", str(workdir), None)]
    for error in in_another_process("fork", *tasks):
        assert isinstance(error, InputError)
        assert "was forked from process" in str(error)
        assert "multiprocessing.get_context('spawn')" in str(error)


@pytest.mark.slow
def test_a_spawned_process_answers_as_this_one(recommender, workdir, tmp_path):
    gone = tmp_path / "run"
    shutil.copytree(workdir, gone)
    lost = load(gone)
    shutil.rmtree(gone)
    lists, error = in_another_process("spawn", (recommender.recommend, 1001, 5), (lost.recommend, 1001, 5))
    pd.testing.assert_frame_equal(lists, recommender.recommend(1001, 5), check_exact=True)
    assert isinstance(error, InputError)
    assert f"{gone}: no config.json" in str(error)


@pytest.mark.slow
def test_joblib_calls_a_recommender_in_its_own_processes(recommender):
    joblib = pytest.importorskip("joblib")
    work = (joblib.delayed(recommender.recommend)(user, 5) for user in (1001, 1002))
    lists = pd.concat(joblib.Parallel(n_jobs=2)(work), ignore_index=True)
    pd.testing.assert_frame_equal(lists, recommender.recommend([1001, 1002], 5), check_exact=True)
