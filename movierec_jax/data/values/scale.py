"""Works out from ratings what their scale is, which value stands for "not rated", and which ratings are relevant."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int64

from movierec_jax.config import RELEVANT_FRACTION, EvalConfig

# Scales in use, narrow before wide; the first that holds nearly all ratings is taken.
USUAL_SCALES = (
    (0.0, 1.0),
    (-1.0, 1.0),
    (1.0, 5.0),
    (0.5, 5.0),
    (0.0, 5.0),
    (-5.0, 5.0),
    (1.0, 10.0),
    (0.0, 10.0),
    (-10.0, 10.0),
    (0.0, 20.0),
    (0.0, 100.0),
    (-100.0, 100.0),
)

# Rarer scales of whole numbers, taken only where both ends occur.
WHOLE_SCALES = ((1.0, 6.0), (1.0, 7.0), (-2.0, 2.0), (-3.0, 3.0))

# A scale that is taken only where each of its ratings occurs: a few half stars up to 5 may have none above 4.
HALF_STARS_TO_4 = np.arange(1, 9) / 2

# Fraction of ratings that may lie outside the scale that is taken.
OUTLIER_SHARE = 0.01

# Ratings above this have too many steps for stars: where most are far lower they are rather counts.
MOST_STARS = 10.0
COUNTS_SPREAD = 6.0

# So many different whole numbers that fill no scale are rather counts than ratings.
MANY_VALUES = 10

# The part of the way down from 0 that a scale with negative ratings must use, compared with the way up.
LEAST_NEGATIVE = 0.25

# A value is "seen, not rated" from this fraction of all ratings; and if it is near, this many times its neighbour's.
UNRATED_SHARE = 0.1
UNRATED_TIMES_NEIGHBOUR = 3

# Where fewer ratings reach the usual threshold, a lower one is relevant; at worst the one that this many reach.
FEWEST_RELEVANT = 0.05
BEST_QUARTER = 0.25


@dataclasses.dataclass(frozen=True)
class InferredScale:
    """A scale found in ratings. reason: why, in words that follow "rating scale 1 to 5: "."""

    lowest: float
    highest: float
    reason: str


@dataclasses.dataclass(frozen=True)
class UnratedValue:
    """A rating that rather stands for a movie watched and not rated. share: the fraction of ratings with it."""

    value: float
    share: float


@dataclasses.dataclass(frozen=True)
class RatingCounts:
    """How often each rating occurs: the different finite ratings in increasing order, and the number of each."""

    value: Float[np.ndarray, " values"]
    count: Int64[np.ndarray, " values"]

    def share_outside(self, lowest: float, highest: float) -> float:
        """Returns the fraction of ratings outside a scale."""
        return self.count[(self.value < lowest) | (self.value > highest)].sum() / self.count.sum()

    @property
    def share(self) -> Float[np.ndarray, " values"]:
        """Returns the fraction of ratings with each value."""
        return self.count / self.count.sum()

    @property
    def is_whole(self) -> bool:
        """Returns whether all ratings are whole numbers from 0."""
        return bool((self.value >= 0).all() and (self.value == np.floor(self.value)).all())


def counts_of(rating: Float[np.ndarray, " ratings"]) -> RatingCounts:
    """Returns how often each finite rating occurs."""
    value, count = np.unique(rating, return_counts=True)
    is_finite = np.isfinite(value)
    return RatingCounts(value[is_finite].astype(np.float64), count[is_finite].astype(np.int64))


def infer_scale(rating: Float[np.ndarray, " ratings"]) -> InferredScale:
    """Returns the scale that ratings are on: see `scale_of_counts`."""
    return scale_of_counts(counts_of(rating))


def scale_of_counts(counts: RatingCounts) -> InferredScale:
    """Returns the usual scale that ratings are on, or else the lowest and the highest of them, with the reason.

    A hundredth of the ratings may lie outside: a few 99 on a scale to 5 are errors. A few half stars, or a few 8 among
    ratings of 1 to 5, are ratings and widen the scale.
    """
    if not len(counts.value):
        return InferredScale(*USUAL_SCALES[0], "there are no ratings")
    lowest, highest = float(counts.value[0]), float(counts.value[-1])
    exact = exact_scale(counts)
    if exact is not None:
        return InferredScale(*exact, found_values(counts))
    is_counts = look_like_counts(counts)
    for scale in USUAL_SCALES:
        if scale[1] > MOST_STARS and is_counts:
            break
        if holds(scale, counts):
            scale = widened(scale, counts)
            return InferredScale(*scale, found_values(counts, scale))
    if is_counts or (counts.is_whole and len(counts.value) > MANY_VALUES):
        return InferredScale(lowest, highest, f"{found_values(counts)}, which look like counts rather than ratings")
    return InferredScale(lowest, highest, f"{found_values(counts)}, on none of the usual scales")


def exact_scale(counts: RatingCounts) -> tuple[float, float] | None:
    """Returns the rarer scale that ratings fill, None without one."""
    value = counts.value
    if np.array_equal(value, HALF_STARS_TO_4):
        return 0.5, 4.0
    if (value != np.floor(value)).any() or counts.share[-1] <= OUTLIER_SHARE:
        return None
    # One to five stars written without a decimal point.
    if value[0] >= 0 and value[-1] == 50 and (value % 5 == 0).all():
        return 0.0, 50.0
    return next((ends for ends in WHOLE_SCALES if ends == (value[0], value[-1])), None)


def holds(scale: tuple[float, float], counts: RatingCounts) -> bool:
    """Returns whether a scale holds all ratings but a few that are errors.

    Errors are fewer than the highest ratings of a scale, and far off one to 5 or less. A scale with negative ratings
    holds only such as use it.
    """
    lowest, highest = scale
    if lowest < 0 and counts.value[0] > -LEAST_NEGATIVE * highest:
        return False
    if highest <= 5 and ((counts.value > highest) & (counts.value <= 2 * highest)).any():
        return False
    outside = counts.share_outside(lowest, highest)
    step = max(1.0, (highest - lowest) / 10)
    top = counts.share[(counts.value > highest - step) & (counts.value <= highest)].sum()
    return bool(outside == 0 or outside <= min(OUTLIER_SHARE, top))


def widened(scale: tuple[float, float], counts: RatingCounts) -> tuple[float, float]:
    """Returns the scale, or a usual one with the same highest rating that holds more: a few half stars are ratings."""
    lowest, highest = scale
    around = [(low, high) for low, high in USUAL_SCALES if high == highest and (0 <= low < lowest)]
    return min([scale, *around], key=lambda wider: counts.share_outside(*wider))


def look_like_counts(counts: RatingCounts) -> bool:
    """Returns whether ratings are many whole numbers of which most are far below the highest."""
    middle = counts.value[np.searchsorted(np.cumsum(counts.share), 0.5)]
    is_far = counts.value[-1] >= max(MOST_STARS, COUNTS_SPREAD * middle)
    return counts.is_whole and len(counts.value) > MANY_VALUES and bool(is_far)


def found_values(counts: RatingCounts, scale: tuple[float, float] | None = None) -> str:
    """Returns what ratings there are, in words, and of those outside a scale how many."""
    lowest, highest = scale or (counts.value[0], counts.value[-1])
    is_outside = (counts.value < lowest) | (counts.value > highest)
    inside = counts.value[~is_outside]
    if len(inside) <= MANY_VALUES + 1:
        text = "the ratings are " + ", ".join(f"{value:.6g}" for value in inside)
    else:
        text = f"the ratings are {len(inside):,} different numbers from {inside[0]:.6g} to {inside[-1]:.6g}"
    if not is_outside.any():
        return text
    number = counts.count[is_outside].sum()
    return f"{text}; {number:,} of {counts.count.sum():,}, such as {counts.value[is_outside][-1]:.6g}, lie outside"


def find_unrated_value(counts: RatingCounts) -> UnratedValue | None:
    """Returns the value that rather stands for "seen, not rated" than for a rating, None without one.

    It lies at an end of the ratings, apart from the others: 0 or below where all others are above, or as far away as
    they reach. A tenth of the ratings or more have it; and if it is near, several times as many as its neighbour.
    """
    # Of two or three values, such as dislike, neutral and like, each is a rating.
    if len(counts.value) < 4:
        return None
    ends = [end for end in (0, -1) if is_unrated(counts, end)]
    return UnratedValue(float(counts.value[ends[0]]), float(counts.share[ends[0]])) if ends else None


def is_unrated(counts: RatingCounts, end: int) -> bool:
    """Returns whether the lowest (`end` 0) or the highest (-1) value stands for no rating."""
    value, share = counts.value[end], counts.share[end]
    others, of_others = np.delete(counts.value, end), np.delete(counts.share, end)
    if share < UNRATED_SHARE:
        return False
    if abs(value - others[end]) >= max(1.5, np.ptp(others)):
        return True
    is_below = end == 0 and (value < 0 <= others[0] or value == 0 < others[0])
    # Counts fall from the lowest on, and where 1 is the highest, 0 is a rating.
    is_falling = (np.diff(of_others) <= 0).all()
    return bool(is_below and share >= UNRATED_TIMES_NEIGHBOUR * of_others[0] and not is_falling and others[-1] > 1)


def relevant_threshold(
    rating: Float[np.ndarray, " ratings"], scale: tuple[float, float], fraction: float = RELEVANT_FRACTION
) -> tuple[float, str | None]:
    """Returns the rating from which ratings are relevant, and why it is not the usual one, None where it is.

    The usual one lies a fraction of the way up the scale. Where fewer than a twentieth of the ratings reach it, it is
    the middle of the scale, or else the highest rating that a quarter of the ratings reach.
    """
    lowest, highest = scale
    usual, middle = lowest + fraction * (highest - lowest), (lowest + highest) / 2
    if not len(rating) or np.mean(rating >= usual) >= FEWEST_RELEVANT:
        return usual, None
    threshold = middle if np.mean(rating >= middle) >= FEWEST_RELEVANT else best_quarter(counts_of(rating))
    reached = [float(np.mean(rating >= least)) for least in (usual, threshold)]
    return threshold, (
        f"{reached[0]:.2%} of the ratings reach {usual:g}, {fraction:.0%} of the way up the scale; from {threshold:g} "
        f"on, which {reached[1]:.0%} reach, they are relevant. --relevant_rating states another"
    )


def relevant_from(
    config: EvalConfig, rating: Float[np.ndarray, " ratings"], rating_scale: tuple[float, float]
) -> float:
    """Returns the stars from which a rating is relevant: those of a config, or as the ratings of train show."""
    if config.relevant_rating is not None:
        return config.relevant_rating
    return relevant_threshold(rating, rating_scale)[0]


def best_quarter(counts: RatingCounts) -> float:
    """Returns the highest rating that a quarter of the ratings reach, but not the lowest of several."""
    reaching = np.cumsum(counts.share[::-1])[::-1]
    place = int(np.flatnonzero(reaching >= BEST_QUARTER)[-1])
    return float(counts.value[max(place, min(1, len(counts.value) - 1))])
