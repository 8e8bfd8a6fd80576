"""Ids that stand in paths."""

from typing import Annotated

from fastapi import Path

UserId = Annotated[str, Path(min_length=1, max_length=256, description="user id as in the data")]

MovieId = Annotated[str, Path(min_length=1, max_length=256, description="movie id as in the data")]
