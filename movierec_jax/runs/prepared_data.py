"""Reads a prepared dataset as a run needs it, whose data settings are then those of the dataset."""

import dataclasses
import pathlib
from collections.abc import Collection
from typing import Any, NamedTuple

from movierec_jax.config import Config
from movierec_jax.data.findings import print_dropped, print_notes, print_ratings
from movierec_jax.data.prepared.manifest import MANIFEST, Manifest, is_prepared, read_manifest
from movierec_jax.data.prepared.mapped import MAPPED_FROM, map_train
from movierec_jax.data.prepared.reading import (
    read_clean_data,
    read_id_columns,
    read_part,
    read_split,
    with_ids,
)
from movierec_jax.data.schema import CleanData, Ratings
from movierec_jax.data.splits import Split
from movierec_jax.data_config import PREPARED_SETTINGS, DataConfig
from movierec_jax.errors import InputError
from movierec_jax.settings import as_flag, from_json, to_json

# Settings that change which ratings there are, and cannot be added to those of a prepared dataset.
REFUSED = ("extra_ratings", "extra_user", "test_ratings", "valid_ratings")


class PreparedData(NamedTuple):
    """What a run needs of a prepared dataset.

    config: with the data settings of the dataset. data: without ratings.
    train_by_row: as in `Run`, where there are many.
    """

    config: Config
    data: CleanData
    parts: Split
    train_by_row: Ratings | None


def read_prepared(config: Config, cache: pathlib.Path | None, *, is_warm: bool) -> PreparedData:
    """Reads the dataset of a config, and prints what was found when it was prepared.

    cache: folder that keeps the columns of many ratings, to be mapped into memory; None: they are read into it.
    is_warm: whether the parts have to suit those of an older run, which a dataset cannot know.

    Raises InputError for a file that is missing or has changed, and for settings that the dataset does not have.
    """
    folder = pathlib.Path(config.data.ratings)
    manifest = read_manifest(folder)
    if is_warm:
        raise InputError(
            f"--ratings={folder}: the split of a prepared dataset knows nothing of the run of --warm_start, which has "
            "learnt from ratings that are held out here; give the ratings that it was made of"
        )
    settings = with_settings(config.data, manifest, folder)
    data = read_clean_data(folder, manifest)
    print_ratings(
        data,
        manifest.num_ratings,
        manifest.counts["watched"],
        settings.unrated_value,
        has_column=manifest.has_ratings_column,
        is_inferred=manifest.is_scale_inferred,
    )
    print_notes(data.notes)
    print_dropped(data.dropped)
    shown = ", ".join(f"--{name}={as_flag(getattr(settings, name))}" for name in PREPARED_SETTINGS)
    print(f"  prepared in {folder}, with its settings: {shown}")
    config = dataclasses.replace(config, data=settings)
    if cache is None or manifest.counts["train"] < MAPPED_FROM:
        return PreparedData(config, data, read_split(folder, manifest), None)
    ids = read_id_columns(folder, manifest)
    train, by_row = map_train(folder, manifest, ids, cache)
    valid, test = (with_ids(read_part(folder, manifest, part), ids) for part in ("valid", "test"))
    return PreparedData(config, data, Split.of(train=train, valid=valid, test=test), by_row)


def with_settings(asked: DataConfig, manifest: Manifest, folder: pathlib.Path) -> DataConfig:
    """Returns data settings with those of a dataset. Raises InputError for one that asks for something else."""
    defaults = DataConfig()
    for name in REFUSED:
        if getattr(asked, name) != getattr(defaults, name):
            raise InputError(
                f"--{name}={as_flag(getattr(asked, name))}: the ratings and the split of a prepared dataset are fixed; "
                "leave the flag out, or train from the ratings that it was made of"
            )
    given = [name for name in PREPARED_SETTINGS if is_other(asked, defaults, name)]
    require_settings(asked, given, manifest, folder)
    return dataclasses.replace(asked, **settings_of(manifest, folder))


def settings_of(manifest: Manifest, folder: pathlib.Path) -> dict[str, Any]:
    """Returns the data settings of a dataset, by name."""
    stored = from_json(DataConfig, to_json(DataConfig()) | manifest.settings, str(folder / MANIFEST))
    return {name: getattr(stored, name) for name in PREPARED_SETTINGS}


def is_other(asked: DataConfig, other: DataConfig, name: str) -> bool:
    """Returns whether two configs differ in a setting."""
    return as_flag(getattr(asked, name)) != as_flag(getattr(other, name))


def require_given(asked: DataConfig, names: Collection[str]) -> None:
    """Raises InputError where ratings are a prepared dataset, and one of the named settings is not that of it."""
    if is_prepared(asked.ratings):
        folder = pathlib.Path(asked.ratings)
        require_settings(asked, names, read_manifest(folder), folder)


def require_settings(asked: DataConfig, names: Collection[str], manifest: Manifest, folder: pathlib.Path) -> None:
    """Raises InputError where one of the named settings is not that of a dataset."""
    settings = settings_of(manifest, folder)
    for name in names:
        if as_flag(getattr(asked, name)) != as_flag(settings[name]):
            raise InputError(
                f"--{name}={as_flag(getattr(asked, name))}: {folder} was prepared with --{name}="
                f"{as_flag(settings[name])}; leave the flag out, or prepare the ratings again"
            )
