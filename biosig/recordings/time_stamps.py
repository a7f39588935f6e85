"""Time stamps as text or as typed columns: moments, local times, durations."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

_ZONE = r"(?:[Zz]|[+-]\d{2}(?::?\d{2})?(?::\d{2})?)$"
_NAMED_ZONE = r"\s*\[([A-Za-z0-9_+/\-]+)\]$"
_DURATION = r"^[+-]?(?:\d+ days?,? ?)?[+-]?\d{1,9}:\d{2}:\d{2}(?:[.,]\d+)?$|^[+-]?\d+ days?$|^[+-]?P[0-9DTHMS.,]+$"
_HOUR = 3600 * 10**9


class RawClock(NamedTuple):
    """A time column as the file has it, missing values as NaN or the smallest integer (`NO_TIME`)."""

    kind: str
    """"number" (float64 in an unknown unit), "moment" (UTC), "local" (no zone) or "duration"."""
    values: np.ndarray
    """float64 for numbers, else int64 nanoseconds (since 1970 for moments and local times)."""
    zone: str | None = None
    """Of local times, when the stamps name it themselves."""


NO_TIME = np.iinfo(np.int64).min


def parse_stamps(text: pd.Series, name: str, *, date_format: str | None = None) -> RawClock:
    """Parse ISO 8601 time stamps, with zone or without, or durations such as "0 days 00:00:01.5" and "PT1.5S".

    Parameters
    ----------
    text : pandas.Series of str, missing where there is no time
    name : str
        File and column, for messages.
    date_format : str, optional
        For `datetime.strptime`, tried where the stamps are not ISO 8601.

    Raises
    ------
    ValueError
        With the first row that is something else.
    """
    known = text.dropna()
    plain = None if len(known) and re.match(_DURATION, known.iloc[0]) else _plain_stamps(text)
    if plain is not None:
        return plain
    zone = None
    if known.str.contains("[", regex=False).any():
        zones = known.str.extract(_NAMED_ZONE)[0]
        text = text.str.replace(_NAMED_ZONE, "", regex=True)
        known = text.dropna()
        if not known.str.contains(_ZONE).any():  # with an offset beside it the name adds nothing
            if zones.nunique(dropna=False) != 1:
                raise ValueError(f"{name}: the stamps name {zones.nunique(dropna=False)} zones and no offsets from UTC")
            zone = str(zones.iloc[0])
    text = text.str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True).str.replace(r"(\d),(\d+)", r"\1.\2", regex=True)
    known = text.dropna()
    if len(known) and known.str.match(_DURATION).all():
        return RawClock("duration", _nanoseconds(pd.to_timedelta, text.str.replace(",", " "), name))
    zoned = known.str.contains(_ZONE) & known.str.contains(":", regex=False)
    if zoned.any() and not zoned.all():
        row = int(known.index[(zoned != zoned.iloc[0]).to_numpy().argmax()])
        raise ValueError(
            f"{name}: some stamps have a zone and others have none, first {known[row][:40]!r} at row {row + 1}; "
            "expected one form for all"
        )
    try:
        values = _nanoseconds(pd.to_datetime, text, name, utc=True, format="ISO8601")
    except ValueError:
        if date_format is None:
            raise
        values = _nanoseconds(pd.to_datetime, text, name, utc=True, format=date_format)
    return RawClock("moment" if len(zoned) and zoned.all() else "local", values, zone)


def _plain_stamps(text: pd.Series) -> RawClock | None:
    """The same for stamps that are all ISO 8601 in one zone, or all without one; None for others. The quick way."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            moments = pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601"))
            return RawClock("local" if moments.tz is None else "moment", moments.as_unit("ns").asi8.copy())
    except (ValueError, OverflowError, TypeError, AttributeError, Warning):
        return None


def local_to_utc(values: np.ndarray, zone: str, name: str) -> np.ndarray:
    """UTC of local times in their order in the file, through the hours that a change of the clocks repeats.

    In a repeated hour the samples before the clock is put back are of the first pass, those after it of the second.
    Where no step back is seen, the pass is taken that continues the samples around it; a recording that lies wholly
    within the hour is taken for the first.

    Parameters
    ----------
    values : numpy.ndarray of shape (n,), int64
        Nanoseconds since 1970 by the local clock; `NO_TIME` for missing.
    zone : str
        A name such as "Europe/London", "UTC", or an offset such as "+01:00".
    name : str
        File and column, for messages.

    Raises
    ------
    ValueError
        For unknown zones, and for times that the zone skips.
    """
    index = pd.DatetimeIndex(values.view("datetime64[ns]"))
    info = _zone_info(zone, name)
    first = _localised(index, info, np.ones(len(index), dtype=bool))
    second = _localised(index, info, np.zeros(len(index), dtype=bool))
    skipped = np.flatnonzero((first == NO_TIME) & (values != NO_TIME))
    if len(skipped):
        raise ValueError(
            f"{name}: the local time {index[skipped[0]]} at row {skipped[0] + 1} does not exist in {zone}, where "
            "clocks were put forward; state the zone that the device kept, such as timezone='+00:00' for winter time"
        )
    utc = first.copy()
    twice = np.flatnonzero(first != second)
    for run in np.split(twice, np.flatnonzero(np.diff(twice) > 1) + 1) if len(twice) else []:
        low, high = run[0], run[-1] + 1
        back = np.diff(values[low:high])
        at = int(np.argmin(back)) if len(back) else 0
        if len(back) and back[at] < -_HOUR // 4:
            utc[low + at + 1 : high] = second[low + at + 1 : high]
        elif high < len(values) and (low == 0 or _breaks_before(first, low)) and not _breaks_after(second, first, high):
            utc[low:high] = second[low:high]
    return utc


def _localised(index: pd.DatetimeIndex, info: tzinfo, is_first: np.ndarray) -> np.ndarray:
    located = index.tz_localize(info, ambiguous=is_first, nonexistent="NaT")
    return located.tz_convert(UTC).as_unit("ns").asi8.copy()


def _breaks_before(first: np.ndarray, low: int) -> bool:
    return bool(first[low] - first[low - 1] > _HOUR // 2)


def _breaks_after(second: np.ndarray, first: np.ndarray, high: int) -> bool:
    return bool(abs(first[high] - second[high - 1]) > _HOUR // 2)


def _zone_info(zone: str, name: str) -> tzinfo:
    wanted = "expected a name such as 'Europe/London', 'UTC', or an offset such as '+01:00'"
    if not isinstance(zone, str):
        raise ValueError(f"timezone is {zone!r}; {wanted}")
    offset = re.fullmatch(r"(?:UTC)?([+-])(\d{1,2}):?(\d{2})", zone)
    if offset and int(offset[2]) < 24 and int(offset[3]) < 60:
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-ahead if offset[1] == "-" else ahead)
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name}: the zone {zone!r} is not known here; {wanted}") from None


def _nanoseconds(parse, text: pd.Series, name: str, **options) -> np.ndarray:
    try:
        values = pd.Index(parse(text, **options)).as_unit("ns").asi8.copy()
    except (ValueError, OverflowError, TypeError, AttributeError) as error:
        said = str(error).split(". You might want to try")[0]
        raise ValueError(
            f"{name}: times are neither numbers nor ISO 8601 text nor durations ({said[:200]}); expected such as "
            "2024-05-01T08:30:00.020"
        ) from None
    return values
