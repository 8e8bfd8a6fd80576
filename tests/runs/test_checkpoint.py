"""States are restored bit for bit, and damage costs one epoch at most."""

import contextlib
import dataclasses
import gc
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import checkerboard

from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import FeatureBags
from movierec_jax.data.vocab import ratings_by_row
from movierec_jax.errors import InputError
from movierec_jax.model.interactions import build_interactions
from movierec_jax.model.tables import IMPLICIT_FEEDBACK
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.runs.checkpoint import Checkpoints
from movierec_jax.runs.prepare import new_run
from movierec_jax.runs.workdir import save_run
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.loop import train_from
from movierec_jax.training.progress import EpochRecord, ErrorTotals, Progress
from movierec_jax.training.state import TrainingSetup, TrainState, new_state
from movierec_jax.training.step import train_steps

PARTS = checkerboard.parts(num_users=18, num_movies=9)
CONFIG = Config(
    model=ModelConfig(embedding_dim=2, hidden_dims=(4,), implicit_feedback_dim=3),
    train=TrainConfig(epochs=3, batch_size=32),
)
RUN = new_run(CONFIG, checkerboard.clean_data(PARTS), PARTS)


def progress(*valid_rmse: float | None) -> Progress:
    """Progress through epochs of one step each, with these validation RMSEs."""
    return Progress(tuple(EpochRecord(n, n, 1.0, 0.0, rmse, 0.1) for n, rmse in enumerate(valid_rmse, start=1)))


def state_after(epoch: int) -> TrainState:
    """A state in which every number is its epoch."""
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, epoch), new_state(RUN.setup))


def require_equal(one, other) -> None:
    """Every leaf equal, of equal dtype."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def saved(workdir: pathlib.Path, *valid_rmse: float | None) -> None:
    """Saves a state after each of these epochs."""
    checkpoints = Checkpoints(workdir)
    for epoch in range(1, len(valid_rmse) + 1):
        checkpoints.save(state_after(epoch), progress(*valid_rmse[:epoch]), RUN.setup)
    checkpoints.wait()
    checkpoints.close()


def steps_in(workdir: pathlib.Path) -> list[str]:
    return sorted(path.name for path in (workdir / "checkpoints").iterdir())


NO_BAGS = FeatureBags(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), ())


# Which checkpoints are kept.


@pytest.mark.parametrize(
    ("valid_rmse", "kept", "best"),
    [
        ((3.0, 1.0, 2.0, 2.5, 2.7), ["2", "4", "5"], 2),
        ((4.0, 3.0, 2.0, 1.0), ["3", "4"], 4),
        ((1.0, 1.0, 1.0, 1.0), ["1", "3", "4"], 1),
        ((2.0, 1.0, 3.0, 1.0, 4.0, 5.0), ["2", "5", "6"], 2),
        ((None, None, None, None), ["3", "4"], 4),
        ((1.0,), ["1"], 1),
    ],
    ids=["best early", "best last", "all equal", "best twice", "no validation", "one epoch"],
)
def test_the_best_and_the_latest_two_are_kept_and_the_best_is_found(tmp_path, valid_rmse, kept, best):
    saved(tmp_path, *valid_rmse)
    assert steps_in(tmp_path) == kept
    params = Checkpoints(tmp_path).best_params(RUN.setup, pytest.fail)
    newest = state_after(len(valid_rmse)).params[IMPLICIT_FEEDBACK]
    require_equal(params, state_after(best).params | {IMPLICIT_FEEDBACK: newest})


# Saving and restoring.


@pytest.mark.parametrize(
    "stop_after",
    [2, pytest.param(5, marks=pytest.mark.slow), pytest.param(None, marks=pytest.mark.slow)],
    ids=["within an epoch", "within another", "at the end"],
)
def test_a_trained_state_is_restored_bit_for_bit_with_its_progress(tmp_path, stop_after):
    train, valid = (ratings_by_row(part, RUN.users, RUN.movies) for part in (PARTS.train, PARTS.valid))
    config = dataclasses.replace(RUN.setup.config, ratings_at_once=2 * 32)
    setup = dataclasses.replace(RUN.setup, config=config)
    checkpoints = Checkpoints(tmp_path)
    for state, so_far in train_from(new_state(setup), Progress(), train, valid, RUN.interactions, setup=setup):
        checkpoints.save(state, so_far, setup)
        if so_far.step == stop_after:
            break
    checkpoints.wait()
    restored, restored_progress = Checkpoints(tmp_path).latest(setup, pytest.fail)
    assert int(restored.step) == restored_progress.step == stop_after or 3 * -(-len(train) // 32)
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(restored.opt_state))
    require_equal(restored, state)
    assert restored_progress == so_far


def test_steps_that_reuse_a_states_memory_do_not_change_what_is_saved(tmp_path):
    # Large enough that writing it takes longer than the steps.
    model = TwoTowers(
        50_000, 9, 0, 0, ModelConfig(embedding_dim=64, hidden_dims=(), history=(), implicit_feedback_dim=0)
    )
    config = TrainConfig(epochs=1, batch_size=32, learning_rate=1.0, warmup_fraction=0.0)
    setup = TrainingSetup(model, config.for_ratings(1000, "any"), 1000, (1.0, 5.0), 4.0)
    train = ratings_by_row(PARTS.train, RUN.users, RUN.movies)
    epoch = next(epoch_steps(train, None, 0, setup)), build_interactions(train, 50_000, 9, NO_BAGS, NO_BAGS), None
    state, _ = train_steps(new_state(setup), *epoch, setup=setup)
    before = jax.tree.map(lambda leaf: np.array(leaf, copy=True), state)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state, progress(1.0), setup)
    for _ in range(3):
        state, _ = train_steps(state, *epoch, setup=setup)
    checkpoints.wait()
    restored, _ = checkpoints.latest(setup, pytest.fail)
    require_equal(restored, before)
    assert np.any(state.params["user_tower"]["embedding"] != before.params["user_tower"]["embedding"])


def test_a_state_is_published_when_it_is_on_disk_and_old_ones_are_gone(tmp_path):
    published = []
    checkpoints = Checkpoints(tmp_path, publish=lambda: published.append(steps_in(tmp_path)))
    for epoch in range(1, 5):
        checkpoints.save(state_after(epoch), progress(*[4.0, 3.0, 2.0, 1.0][:epoch]), RUN.setup)
    checkpoints.close()
    assert published == [["1"], ["1", "2"], ["2", "3"], ["3", "4"]]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_of_a_state_that_processes_save_apart_no_file_may_be_missing(tmp_path):
    published = []
    with contextlib.closing(Checkpoints(tmp_path, is_own=True)) as checkpoints:
        for epoch in (1, 2):
            checkpoints.save(state_after(epoch), progress(*[2.0, 1.0][:epoch]), RUN.setup)
    require_equal(Checkpoints(tmp_path, read_only=True).latest(RUN.setup, pytest.fail)[0], state_after(2))
    (tmp_path / "checkpoints/2/state/params.head.offset/0").unlink()
    messages = []
    checkpoints = Checkpoints(tmp_path, is_own=True, publish=lambda: published.append(steps_in(tmp_path)))
    require_equal(checkpoints.latest(RUN.setup, messages.append)[0], state_after(1))
    assert [message.split(" (")[0] for message in messages] == ["checkpoints/2 cannot be read and is skipped"]
    assert published == [["1"]]
    gc.collect()  # As above.


def test_a_state_that_cannot_be_published_is_an_error_of_the_next_one(tmp_path):
    def fail() -> None:
        raise OSError("no bucket")

    checkpoints = Checkpoints(tmp_path, publish=fail)
    checkpoints.save(state_after(1), progress(1.0), RUN.setup)
    with pytest.raises(OSError, match="no bucket"):
        checkpoints.save(state_after(2), progress(1.0, 1.0), RUN.setup)
    checkpoints.close()


def test_an_empty_workdir_has_no_latest_state(tmp_path):
    assert Checkpoints(tmp_path).latest(RUN.setup, pytest.fail) is None


# Damage.


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory):
    """A workdir after three epochs, each better than the one before; tests must not change it."""
    folder = tmp_path_factory.mktemp("three")
    saved(folder, 3.0, 2.0, 1.0)
    return folder


@pytest.fixture
def workdir(three_epochs, tmp_path):
    """A copy of the workdir of three epochs, which has checkpoints 2 and 3."""
    return shutil.copytree(three_epochs, tmp_path / "run")


def largest_file(folder: pathlib.Path) -> pathlib.Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def cut_largest_file(folder: pathlib.Path) -> None:
    largest = largest_file(folder)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])


def edit_records(folder: pathlib.Path) -> None:
    path = folder / "about" / "metadata"
    content = path.read_text()
    assert '"valid_rmse": 2.0' in content
    path.write_text(content.replace('"valid_rmse": 2.0', '"valid_rmse": 0.0'))


def empty(folder: pathlib.Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


DAMAGE = {
    "cut": cut_largest_file,
    "emptied": empty,
    "without state": lambda folder: shutil.rmtree(folder / "state"),
    "with an empty state": lambda folder: empty(folder / "state"),
    "without records": lambda folder: shutil.rmtree(folder / "about"),
    "with a record changed": edit_records,
    "with cut records": lambda folder: cut_largest_file(folder / "about"),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_skipped_and_can_be_written_again(workdir, damage):
    damage(workdir / "checkpoints" / "3")
    messages = []
    checkpoints = Checkpoints(workdir)
    state, restored_progress = checkpoints.latest(RUN.setup, messages.append)
    require_equal(state, state_after(2))
    assert restored_progress == progress(3.0, 2.0)
    assert [message.split(" (")[0] for message in messages] == ["checkpoints/3 cannot be read and is skipped"]
    checkpoints.save(state_after(3), progress(3.0, 2.0, 1.0), RUN.setup)
    checkpoints.wait()
    require_equal(checkpoints.latest(RUN.setup, pytest.fail)[0], state_after(3))
    gc.collect()  # Ends what Orbax left of the failed reading here, where its warnings are ignored.


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_flipped_bit_in_an_array_is_detected(tmp_path):
    # Orbax reads most damaged files of this kind without an error; it checks those in which it keeps smaller arrays.
    model = RUN.model.clone(config=dataclasses.replace(CONFIG.model, embedding_dim=64))
    setup = dataclasses.replace(RUN.setup, model=model)
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        for step in (1, 2):
            checkpoints.save(new_state(setup), progress(*[1.0] * step), setup)
    arrays = largest_file(tmp_path / "checkpoints" / "2" / "state" / "ocdbt.process_0" / "d")
    content, messages = arrays.read_bytes(), []
    for fraction in np.linspace(0.1, 0.9, 7):
        changed = bytearray(content)
        changed[int(fraction * len(content))] ^= 1
        arrays.write_bytes(bytes(changed))
        # In bytes that are never read a flipped bit does no harm and is not noticed.
        try:
            state, _ = Checkpoints(tmp_path, read_only=True).latest(setup, pytest.fail)
            require_equal(state, new_state(setup))
        except InputError as error:
            messages.append(str(error))
    assert any("checkpoints/2: the newest checkpoint cannot be read (its arrays are not" in one for one in messages)
    gc.collect()  # As above.


def test_reading_only_changes_nothing_in_a_damaged_folder(workdir):
    empty(workdir / "checkpoints" / "3")
    (workdir / "checkpoints" / "4.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    before = sorted(workdir.rglob("*"))
    with pytest.raises(InputError, match=r"checkpoints/3: the newest checkpoint cannot be read .*restore it, or train"):
        Checkpoints(workdir, read_only=True).best_params(RUN.setup, pytest.fail)
    assert sorted(workdir.rglob("*")) == before


def test_files_of_a_killed_save_are_no_checkpoint_and_are_removed(workdir):
    (workdir / "checkpoints" / "4.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    checkpoints = Checkpoints(workdir)
    assert checkpoints.latest(RUN.setup, pytest.fail)[1].step == 3
    assert steps_in(workdir) == ["2", "3"]


def test_if_all_checkpoints_are_damaged_it_is_an_error_and_none_is_removed(workdir):
    for epoch in ("2", "3"):
        empty(workdir / "checkpoints" / epoch)
    messages = []
    with pytest.raises(InputError, match=r"checkpoints: no checkpoint can be read; .*--overwrite"):
        Checkpoints(workdir).latest(RUN.setup, messages.append)
    assert [message.split(" ")[0][-1] for message in messages] == ["3", "2"]
    assert {"2", "3"} <= {path.name for path in (workdir / "checkpoints").iterdir()}


def test_a_folder_without_checkpoints_has_no_parameters(tmp_path):
    with pytest.raises(InputError, match=r"checkpoints: no checkpoint; run movierec train"):
        Checkpoints(tmp_path).best_params(RUN.setup, pytest.fail)


def test_without_validation_the_newest_state_is_the_best_even_within_an_epoch(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    within = dataclasses.replace(progress(None, None), since=ErrorTotals(1, 1.0, 1.0, 1.0, 1.0))
    checkpoints.save(state_after(3), within, RUN.setup)
    checkpoints.wait()
    require_equal(Checkpoints(tmp_path).best_params(RUN.setup, pytest.fail), state_after(3).params)


def test_a_damaged_best_checkpoint_is_named(tmp_path):
    saved(tmp_path, 1.0, 2.0, 3.0)
    empty(tmp_path / "checkpoints" / "1")
    with pytest.raises(InputError, match=r"checkpoints/1: the checkpoint of the best epoch cannot be read"):
        Checkpoints(tmp_path).best_params(RUN.setup, pytest.fail)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    for seed in (1, 2):
        other = dataclasses.replace(RUN, config=CONFIG.replace(seed=seed))
        save_run(tmp_path / str(seed), other)
        saved(tmp_path / str(seed), 1.0)
    shutil.rmtree(tmp_path / "2" / "checkpoints")
    shutil.copytree(tmp_path / "1" / "checkpoints", tmp_path / "2" / "checkpoints")
    with pytest.raises(InputError, match=r"checkpoints/1: the newest checkpoint cannot be read \(it is of another run"):
        Checkpoints(tmp_path / "2", read_only=True).best_params(RUN.setup, pytest.fail)


def test_a_state_of_another_model_is_refused(workdir):
    model = dataclasses.replace(RUN.model, num_users=RUN.model.num_users + 1)
    messages = []
    other = dataclasses.replace(RUN.setup, model=model)
    with pytest.raises(InputError, match="no checkpoint can be read"):
        Checkpoints(workdir).latest(other, messages.append)
    assert all("its arrays do not have the shapes" in message for message in messages)


def test_a_checkpoint_that_cannot_be_written_is_an_error_that_names_the_folder(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    shutil.rmtree(tmp_path / "checkpoints")
    (tmp_path / "checkpoints").write_text("a file in its place")

    def save_and_wait():
        checkpoints.save(state_after(1), progress(1.0), RUN.setup)
        checkpoints.wait()

    with pytest.raises(OSError, match="checkpoint cannot be written") as error:
        save_and_wait()
    assert error.value.filename == str(tmp_path / "checkpoints")
