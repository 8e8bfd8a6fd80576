"""A column of times is read as it was meant whatever way it is written in, or refused; what is left out is counted."""

import datetime as dt
import re

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.data.values.times import Times, parse_times
from movierec_jax.errors import InputError

DAY = 24 * 60 * 60
# 2014-05-13 16:53:20 UTC, and the day's beginning.
MOMENT, MIDNIGHT = 1_400_000_000, 1_399_939_200
MINUTE = MOMENT - 20


def read(times, time_format=None) -> Times:
    return parse_times(pd.Series(times), time_format)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        # Numbers.
        (MOMENT, MOMENT),
        (MOMENT * 1000, MOMENT),
        (MOMENT * 1000 + 999, MOMENT),
        (MOMENT * 10**6, MOMENT),
        (MOMENT * 10**9, MOMENT),
        (float(MOMENT) + 0.75, MOMENT),
        ("1400000000", MOMENT),
        ("1400000000.25", MOMENT),
        ("1.4e9", MOMENT),
        ("1.400000E+12", MOMENT),
        (20140513, MIDNIGHT),
        ("20140513", MIDNIGHT),
        (20140513.0, MIDNIGHT),
        ("201405131653", MINUTE),
        (20140513165320, MOMENT),
        (201405, MIDNIGHT - 12 * DAY),
        (41772.7037, MOMENT),
        ("41772,70370", MOMENT),
        (41772, MIDNIGHT),
        (2014, 1_388_534_400),
        ("2014", 1_388_534_400),
        (7, 7),
        (-DAY, -DAY),
        # The year first.
        ("2014-05-13", MIDNIGHT),
        ("2014-5-13", MIDNIGHT),
        ("2014-05", MIDNIGHT - 12 * DAY),
        ("2014/05/13 16:53", MINUTE),
        ("2014.05.13", MIDNIGHT),
        ("2014年5月13日", MIDNIGHT),
        ("2014-05-13T16:53:20Z", MOMENT),
        ("20140513T165320Z", MOMENT),
        ("2014-05-13 16:53:20.123456", MOMENT),
        ("2014-05-13 16:53:20,5", MOMENT),
        ("2014-05-13T18:53:20+02:00", MOMENT),
        ("2014-05-13 11:53:20 -0500", MOMENT),
        ("2014-05-13 16:53:20 UTC", MOMENT),
        ("  2014-05-13  ", MIDNIGHT),
        # Numbers first.
        ("05/13/2014", MIDNIGHT),
        ("5/13/14", MIDNIGHT),
        ("5/13/2014 4:53:20 PM", MOMENT),
        ("05/13/2014, 16:53", MINUTE),
        ("13/05/2014 16:53:20", MOMENT),
        ("13.05.2014 16:53", MINUTE),
        ("13-05-2014", MIDNIGHT),
        ("05-13-2014", MIDNIGHT),
        ("05 13, 2014", MIDNIGHT),
        # Names of months.
        ("May 13, 2014", MIDNIGHT),
        ("MAY 13 2014", MIDNIGHT),
        ("May 13th, 2014 at 4:53 p.m.", MINUTE),
        ("Tuesday, May 13, 2014", MIDNIGHT),
        ("13 May 2014", MIDNIGHT),
        ("13-May-14", MIDNIGHT),
        ("13. May 2014", MIDNIGHT),
        ("13/May/2014:16:53:20 +0000", MOMENT),
        ("2014-May-13", MIDNIGHT),
        ("May 13 '14", MIDNIGHT),
        ("Reviewed in the United States on May 13, 2014", MIDNIGHT),
        ("May 2014", MIDNIGHT - 12 * DAY),
        ("Sept. 13, 2014", MIDNIGHT + 123 * DAY),
        ("Tue May 13 16:53:20 2014", MOMENT),
        ("Tue May 13 16:53:20 +0000 2014", MOMENT),
        ("Tue May 13 12:53:20 EDT 2014", MOMENT),
        ("Tue, 13 May 2014 16:53:20 GMT", MOMENT),
        ("Tue, 13 May 2014 09:53:20 -0700 (PDT)", MOMENT),
        ("Tue May 13 2014 18:53:20 GMT+0200 (Central European Summer Time)", MOMENT),
        # Dates of Parquet and SQLite.
        (pd.Timestamp("2014-05-13 16:53:20.9"), MOMENT),
        (pd.Timestamp("2014-05-14 01:53:20", tz="Asia/Tokyo"), MOMENT),
        (dt.date(2014, 5, 13), MIDNIGHT),
    ],
    ids=str,
)
def test_a_time_in_any_of_the_usual_forms_becomes_seconds(written, seconds):
    times = read([written, None, written])
    assert times.seconds.tolist() == [seconds, NO_TIMESTAMP, seconds]
    assert times.seconds.dtype == np.int64
    assert (times.num_unreadable, times.unreadable_example) == (0, None)


NO_TIMES = ["soon", "0000-00-00", "2014-02-30", "31.02.2014", "5/13/2014 25:00", "5/13/2014 13:00 PM", "May 32, 2014"]
NO_TIMES += ["Mai 13, 2014", "2014-05-13 16:53:20 XYZ", "now", "today", "inf", "1e300", "12:30", "--", "13.05/2014"]


@pytest.mark.parametrize("written", NO_TIMES)
def test_what_is_no_time_is_counted_and_shown_and_does_not_disturb_the_rest(written):
    for good in ("2014-05-13", "1400000000", "13.05.2014"):
        expected = read([good]).seconds[0]
        times = read(["n/a", good, written, good, written])
        assert times.seconds.tolist() == [NO_TIMESTAMP, expected, NO_TIMESTAMP, expected, NO_TIMESTAMP]
        assert (times.num_unreadable, times.unreadable_example) == (2, written)
    assert read([written, written]).num_unreadable == 2
    assert read([written, written]).note is None


@pytest.mark.parametrize("missing", [None, "", "  ", "NULL", "n/a", np.nan, "<NA>"])
def test_a_missing_time_is_not_unreadable(missing):
    times = read([missing, "2014-05-13"])
    assert (times.seconds.tolist(), times.num_unreadable) == ([NO_TIMESTAMP, MIDNIGHT], 0)


@pytest.mark.parametrize("values", [[], [None, None], pd.Series([], dtype="int64"), pd.Series([], dtype="str")])
def test_a_column_without_values_has_no_times(values):
    times = read(values)
    assert (times.seconds.tolist(), times.note, times.num_unreadable) == ([NO_TIMESTAMP] * len(values), None, 0)


def test_integers_of_seconds_are_taken_in_their_own_memory():
    for values in (pd.Series(np.arange(MOMENT, MOMENT + 5000)), pd.Series(np.arange(1, 40_000))):
        assert np.shares_memory(parse_times(values).seconds, values.to_numpy())


def test_a_number_that_does_not_fit_is_counted_among_integers_and_floats():
    ms = [MOMENT * 1000] * 200
    for values in ([*ms, 10**19], [*ms, np.inf], [*ms, MOMENT], ["x", *ms]):
        times = parse_times(pd.Series(values))
        assert (times.num_unreadable, np.count_nonzero(times.seconds == MOMENT)) == (1, 200)


# Decided by column.


def test_small_integers_are_an_order_even_where_some_could_be_years_or_excel_days():
    order = list(range(1, 60_000, 7))
    assert read(order).seconds.tolist() == order
    assert read([str(place) for place in order]).seconds.tolist() == order


def test_zeros_among_dates_of_digits_are_no_time_and_among_epochs_stay():
    assert read([0, 20140513, 20140514, 0]).seconds.tolist() == [NO_TIMESTAMP, MIDNIGHT, MIDNIGHT + DAY, NO_TIMESTAMP]
    assert read([0, 20140513, 20140514, 0]).num_unreadable == 2
    assert read(["0", "2014-05-13", "2014-05-14"]).num_unreadable == 1
    assert read([0, MOMENT * 1000]).seconds.tolist() == [0, MOMENT]


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ([MOMENT, MOMENT * 1000], ["'1400000000' (seconds since 1970", "'1400000000000' (milliseconds since 1970"]),
        (["1400000000", "2014-05-13"], ["'1400000000' (seconds since 1970", "'2014-05-13' (year, month, day"]),
        ([20140513, MOMENT], ["'20140513' (%Y%m%d", "'1400000000' (seconds since 1970"]),
        ([41772.5, MOMENT], ["'41772.5' (Excel's days since 1900", "'1400000000' (seconds since 1970"]),
        (["05/13/2014", "13.05.2014"], ["'05/13/2014' (%m/%d/%Y", "'13.05.2014' (%d.%m.%Y"]),
        (["05/13/2014", "13/05/2014"], ["'05/13/2014' (month first", "'13/05/2014' (day first"]),
        (["May 13, 2014", "2014-05-13"], ["'May 13, 2014' (%b %d, %Y", "'2014-05-13' (year, month, day"]),
        (["41772.5", "05/13/2014"], ["'41772.5' (Excel's days since 1900", "'05/13/2014' (%m/%d/%Y"]),
    ],
    ids=str,
)
def test_a_column_of_two_forms_is_refused_with_an_example_of_each(times, found):
    for order in (times, times[::-1]):
        with pytest.raises(InputError) as error:
            read(order * 3)
        for part in [*found, "3 values", "--time_format="]:
            assert part in str(error.value)


def test_one_value_of_another_form_in_two_hundred_is_counted():
    times = read(["2014-05-13"] * 200 + ["1400000000"])
    assert (times.num_unreadable, times.unreadable_example) == (1, "1400000000")
    assert read(["05/13/2014"] * 200 + ["13/05/2014"]).unreadable_example == "13/05/2014"


@pytest.mark.parametrize(
    ("written", "seconds", "note"),
    [
        ("05/04/2014", MIDNIGHT - 9 * DAY, "%m/%d/%Y; --time_format='%d/%m/%Y' reads the day first"),
        ("04.05.2014 16:53", MINUTE - 9 * DAY, "%d.%m.%Y %H:%M; --time_format='%m.%d.%Y %H:%M' reads the month first"),
        ("04-05-14", MIDNIGHT - 9 * DAY, "%d-%m-%y; --time_format='%m-%d-%y' reads the month first"),
    ],
)
def test_where_day_and_month_cannot_be_told_apart_the_note_says_how_to_state_the_other(written, seconds, note):
    times = read([written])
    assert times.seconds.tolist() == [seconds]
    assert times.note == f"times such as {written!r} are read as {note}"
    other = re.search("'(%.*)'", times.note)[1]
    assert read([written], other).seconds[0] != seconds
    assert read([written], other).num_unreadable == 0


def test_one_date_that_tells_day_and_month_apart_decides_for_the_column():
    assert read(["04/05/2014", "13/05/2014"]).seconds.tolist() == [MIDNIGHT - 9 * DAY, MIDNIGHT]
    assert read(["05.04.2014", "05.13.2014"]).seconds.tolist() == [MIDNIGHT - 9 * DAY, MIDNIGHT]


def test_the_other_order_of_day_and_month_is_named_where_only_a_slip_speaks_against_it():
    assert "reads the month first" in read(["04/05/2014"] * 200 + ["13/05/2014"]).note
    assert "reads the" not in read(["04/05/2014"] * 50 + ["13/05/2014"]).note
    assert "reads the" not in read(["05/05/2014"]).note


def test_only_plain_seconds_and_dates_that_begin_with_the_year_go_without_a_note():
    for plain in (MOMENT, "1400000000", "2014-05-13T16:53:20Z", pd.Timestamp("2014-05-13")):
        assert read([plain]).note is None
    assert read([MOMENT * 1000]).note == "times such as '1400000000000' are read as milliseconds since 1970"
    assert read(["13 May 2014"]).note == "times such as '13 May 2014' are read as %d %b %Y"


# A form that is stated.


@pytest.mark.parametrize(
    ("written", "time_format", "seconds"),
    [
        (2014, "s", 2014),
        ("5000", "ms", 5),
        (20140513, "us", 20),
        (MOMENT * 10**9, "ns", MOMENT),
        (70_000, "excel", 44_431 * DAY),
        (20140513, "%Y%m%d", MIDNIGHT),
        (20140513.0, "%Y%m%d", MIDNIGHT),
        ("41772,70370", "excel", MOMENT),
        ("13|05|2014", "%d|%m|%Y", MIDNIGHT),
        ("2014-05-13 18:53:20 +0200", "%Y-%m-%d %H:%M:%S %z", MOMENT),
    ],
)
def test_a_stated_form_is_taken_and_what_does_not_fit_is_counted(written, time_format, seconds):
    times = read([written, None, written], time_format)
    assert (times.seconds.tolist(), times.num_unreadable) == ([seconds, NO_TIMESTAMP, seconds], 0)
    times = read([str(written).removesuffix(".0"), "soon"], time_format)
    assert (times.num_unreadable, times.unreadable_example) == (1, "soon")


@pytest.mark.parametrize("time_format", ["iso", "d/m/Y", "%d/%Q", "%H:%M:%S%%%"])
def test_a_wrong_format_is_refused_with_the_flag(time_format):
    with pytest.raises(InputError, match="^" + re.escape(f"--time_format={time_format}: ")):
        read(["13/05/2014"], time_format)


# Any form.

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y/%m/%d %H:%M:%S", "%Y%m%d", "%Y%m%d%H%M%S", "%m/%d/%Y", "%d/%m/%Y"]
FORMATS += ["%d.%m.%Y", "%d.%m.%Y %H:%M:%S", "%d-%m-%y", "%m/%d/%y %I:%M:%S %p", "%B %d, %Y", "%d %b %Y", "%m %d, %Y"]
FORMATS += ["%a %b %d %H:%M:%S +0000 %Y", "%a, %d %b %Y %H:%M:%S GMT", "%d-%b-%Y %H:%M:%S", "%A, %B %d, %Y %I:%M:%S %p"]
moments = st.integers(631_152_000, 2_000_000_000)  # 1990 to 2033


def written_in(seconds: int, form: str) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime(form)


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(seconds=st.lists(moments, min_size=1, max_size=8), form=st.sampled_from(FORMATS))
def test_dates_written_in_any_format_are_read_back_or_the_note_names_the_format(seconds, form):
    text = [written_in(value, form) for value in seconds]
    back = dt.datetime.strptime
    expected = [int(back(value, form).replace(tzinfo=dt.UTC).timestamp()) for value in text]
    times = read(text)
    if times.note and "reads the" in times.note:
        other = re.search("--time_format='(.*)'", times.note)[1]
        assert expected in (times.seconds.tolist(), read(text, other).seconds.tolist())
    else:
        assert times.seconds.tolist() == expected
    assert times.num_unreadable == 0


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(
    seconds=st.lists(moments, min_size=2, max_size=8), forms=st.lists(st.sampled_from(FORMATS), min_size=2, max_size=2)
)
def test_a_column_of_two_formats_is_read_right_or_refused_or_noted(seconds, forms):
    # Nothing tells that 05/04/2014 has another order than 05/13/2014 beside it.
    hypothesis.assume(sorted(form[:3] for form in forms) != ["%d/", "%m/"])
    text = [written_in(value, forms[place % 2]) for place, value in enumerate(seconds)]
    days = [value // DAY for value in seconds]
    try:
        times = read(text)
    except InputError:
        return
    if not (times.note and "reads the" in times.note):
        assert times.num_unreadable == 0
        assert [value // DAY for value in times.seconds.tolist()] == days


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(
    seconds=st.lists(moments, min_size=1, max_size=8),
    unit=st.sampled_from([1, 1000, 10**6, 10**9]),
    kind=st.sampled_from(["int64", "float64", "Int64", "str"]),
)
def test_epochs_in_any_unit_and_type_are_read_back(seconds, unit, kind):
    assert parse_times(pd.Series([value * unit for value in seconds]).astype(kind)).seconds.tolist() == seconds


def test_text_on_memory_of_several_chunks_is_read():
    chunks = pa.chunked_array([["05/13/2014"], ["05/14/2014", "06/15/2014"]])
    times = parse_times(chunks.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get))
    assert times.seconds.tolist() == [1399939200, 1400025600, 1402790400]


@pytest.mark.parametrize("values", [[13052014, 14052014], ["16203", "16204"]])
def test_seconds_that_are_all_early_are_mentioned(values):
    note = parse_times(pd.Series(values)).note
    assert note.startswith(f"times such as {str(values[0])!r} are read as seconds since 1970, all of them before 1973")


def test_nanoseconds_that_are_integers_are_exact():
    assert parse_times(pd.Series([1_400_000_000_999_999_999] * 3)).seconds.tolist() == [1_400_000_000] * 3
