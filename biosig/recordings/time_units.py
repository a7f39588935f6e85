"""In which unit a column of numbers counts time: stated, or inferred from the rate and date that each unit implies."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
SAMPLE_RATES = (0.5, 1e4)
"""Plausible rates of regular sensors in Hz."""
_QUICK = 4.0
"""Hz. Slower Unix times cannot be distinguished from a quick sensor's counter in the next smaller unit."""
UNIX_YEARS = (946684800.0, 4102444800.0)
"""2000 to 2100 in Unix seconds. Smaller numbers may well count from another epoch (2000 for Polar, 2001 for Apple)."""
_MANY_BACK = 0.05
_SPELLINGS = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "msec", "msecs", "milli", "millis", "millisec", "millisecond", "milliseconds", "unix ms", "unixms"),
    "us": ("us", "µs", "μs", "usec", "usecs", "micro", "micros", "microsec", "microsecond", "microseconds"),
    "ns": ("ns", "nsec", "nsecs", "nano", "nanos", "nanosec", "nanosecond", "nanoseconds"),
}
TIME_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
"""Spellings of units of time in column names, lower case."""


def check_time_unit(unit) -> None:
    """Raise ValueError unless `unit` is None or one of "s", "ms", "us", "ns"."""
    if unit is not None and (not isinstance(unit, str) or unit not in PER_SECOND):
        raise ValueError(f"time_unit is {unit!r}; expected one of {list(PER_SECOND)}")


def samples_per_unit(values: np.ndarray) -> float:
    """Samples per unit of `values`, from the mean step without the few longest; NaN when nothing increases.

    The mean holds for stamps in packets, where the median does not; without the 0.2 % longest steps (at least one of
    four) a clock that jumps keeps its rate.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(values)
        if np.count_nonzero(steps < 0) > _MANY_BACK * len(
            steps
        ):  # rows out of order; a counter that wraps falls rarely
            steps = np.diff(np.sort(values))
        steps = np.sort(steps[np.isfinite(steps) & (steps >= 0)])
        n_left_out = min(len(steps) // 4, 1 + len(steps) // 500)
        mean = float(np.mean(steps[: len(steps) - n_left_out])) if len(steps) else 0.0
    return 1.0 / mean if mean > 0 and np.isfinite(mean) else float("nan")


def infer_unit(values: np.ndarray, rates: tuple[float, float], name: str, column: str) -> str:
    """Unit of Unix times: the one that implies both a date from 2000 to 2100 and a plausible rate.

    Of two units that imply plausible rates, as for 1 sample/s by Unix time in ms and 1000 samples/s by a counter of
    microseconds since the device was started 20 days ago, none is taken when Unix time has less than 4 samples/s.

    Raises
    ------
    ValueError
        When no unit does; the message lists those that imply a plausible rate.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        middle = float(np.median(values))
    rate = samples_per_unit(values)
    dated = [unit for unit, per in PER_SECOND.items() if UNIX_YEARS[0] <= middle / per < UNIX_YEARS[1]]
    least = max(rates[0], _QUICK) if rates == SAMPLE_RATES else rates[0]
    for unit in dated:
        if not np.isfinite(rate) or least <= rate * PER_SECOND[unit] <= rates[1]:
            return unit
    doubt = ""
    if dated:
        date = datetime.fromtimestamp(middle / PER_SECOND[dated[0]], UTC).date()
        doubt = f" (as Unix time in {dated[0]} it would be of {date} with {rate * PER_SECOND[dated[0]]:.3g} samples/s)"
    raise ValueError(
        f"{name}: column {column!r} runs from {values[0]:.15g} to {values[-1]:.15g}, and neither its name nor its size "
        f"tells the unit{doubt}; state {_fitting(rate, rates)}"
    )


def check_header_unit(values: np.ndarray, unit: str, rates: tuple[float, float], name: str, column: str) -> None:
    """Raise ValueError when the unit in a column's name implies an implausible rate."""
    rate = samples_per_unit(values)
    if np.isfinite(rate) and not rates[0] <= rate * PER_SECOND[unit] <= rates[1]:
        raise ValueError(
            f"{name}: column {column!r} has {rate * PER_SECOND[unit]:.3g} samples/s in the unit of its name, {unit}; "
            f"expected {rates[0]:g} to {rates[1]:g}: state {_fitting(rate, rates)}, or time_unit={unit!r} if right"
        )


def unit_by_span(values: np.ndarray, times: np.ndarray) -> str | None:
    """Unit in which `values` span as long as the `times` (s) of another clock of the same rows; None for none."""
    with np.errstate(over="ignore", invalid="ignore"):
        span, other = float(values[-1] - values[0]), float(times[-1] - times[0])
    for unit, per in PER_SECOND.items():
        if (
            span > 0
            and abs(span / per - other) <= max(1.0, 0.02 * other)
            and other > 0
            and 0.5 < span / per / other < 2
        ):
            return unit
    return None


def unit_by_step(values: np.ndarray, step: float) -> str | None:
    """Unit in which the median step of `values` is within 10 % of `step` s; None for none."""
    steps = np.diff(values)
    median = float(np.median(steps)) if len(steps) else float("nan")
    return next((unit for unit, per in PER_SECOND.items() if abs(median / per / step - 1.0) <= 0.1), None)


def _fitting(rate: float, rates: tuple[float, float]) -> str:
    fits = [
        f"time_unit={unit!r} ({rate * per:.4g} samples/s)"
        for unit, per in PER_SECOND.items()
        if rates[0] <= rate * per <= rates[1]
    ]
    if not fits:
        return "time_unit='s', 'ms', 'us' or 'ns'"
    return " or ".join(fits)
