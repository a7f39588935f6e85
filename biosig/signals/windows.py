"""Recordings cut into windows on one common grid, block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from biosig._checks import centred, check_sampling_rate, filled
from biosig.recordings.unmeasured import without_unmeasured
from biosig.signals._blocks import GRAVITY_ORDER, Plan, Scale, all_blocks
from biosig.signals._stretches import find_clock, make_reader, windows_with_samples
from biosig.signals.cutting import whole_samples
from biosig.signals.filters import check_edges
from biosig.signals.gate import Gate, tally
from biosig.signals.resampling import check_max_gap, sort_by_time
from biosig.signals.wear import FLAT_TOP, STEP, moments, quarters, scale_ends, unworn_quarters


def segment(
    recording,
    *,
    length=60.0,
    stride=None,
    sampling_rate=64.0,
    gravity_cutoff=0.5,
    max_gap=0.5,
    across_gaps=False,
    evenly=True,
    gate=None,
    n_jobs=None,
):
    """Cut a recording into windows in which all sensors share one grid.

    Every signal is resampled, and acceleration loses gravity, as if done on the whole recording at once; windows are
    cut afterwards. The work goes block by block, so beside the recording and the windows returned, little memory is
    used.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``accel(time_accel, axis)`` in g, or ``ppg(time_ppg, wavelength)``, or both. The sensors may have different
        rates and start at different times: windows are cut from the time they share. The attribute ``range`` of
        ``accel`` (g), where there is one, tells where its scale ends.
    length : float, default 60
        Seconds; rounded to whole samples.
    stride : float, optional
        Seconds from one window's start to the next; `length` by default (no overlap).
    sampling_rate : float, default 64
        Hz, of the windows.
    gravity_cutoff : float, default 0.5
        Hz, see `remove_gravity` (order 4).
    max_gap : float, default 0.5
        Seconds. Longer gaps stay NaN; shorter ones are bridged by a straight line, but do not count as valid.
    across_gaps : bool, default False
        Whether to keep windows in which samples are missing for good (NaN). Otherwise they are left out, and counted
        in the attribute ``n_across_gaps``.
    evenly : bool, default True
        Whether time stamps that jitter or come in packets are put on the device's own clock first, see
        `biosig.signals.even_clock`. Otherwise samples are read at their stamps, as they are.
    gate : Gate, optional
        Return only the windows it lets pass; those it refuses never take up memory. Without it all are returned, and
        `Gate.mask` decides later.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    xarray.Dataset
        ``accel(window, axis, sample)`` without gravity and ``ppg(window, wavelength, sample)``, float32.

        On ``window``: participant, session, start (s since the recording's start), valid (share of samples measured, 0
        to 1, the least of the sensors), motion (g), ppg_quality (0 to 1), non_wear (share of the window in quarters of
        an hour without wear, see `biosig.signals.non_wear`) and clipped (share of samples at the end of the sensor's
        scale, the most of the sensors). Motion is 1.4826 times the median absolute deviation of the gravity-free axes
        about their own medians, all axes pooled. Quality is `spectral_quality` of the best wavelength. Columns are NaN
        where their sensor is missing, and non_wear for recordings under an hour.
        ``posture(window, axis)``: angle of each axis above the horizontal, degrees (three axes only).

        Attributes: sampling_rate (Hz), length, stride (s), gravity_cutoff (Hz), n_across_gaps (windows left out
        because of gaps), n_without_samples (windows that would lie where no sensor has any sample, so that the work
        follows the samples and not the span of the clock), device and source. All starts lie on one grid from the
        first shared sample on. With a `gate` also what `Gate.coverage` tells of the windows it judged.

        On a sensor whose stamps were no steady clock: clock ("device", or "stamps" where none was found and for
        ``evenly=False``), jitter_ms (standard deviation of the stamps about the device's clock), n_lost (samples) and
        n_gaps (places where they were lost, or the clock jumped). On ``accel``, n_zero and n_stuck count samples that
        were exactly zero on all axes or stuck, which are missing.

        ``valid`` counts the grid points whose nearest sample was measured: where every second sample is missing it is
        0.5, with every fourth 0.75, whether samples are NaN or absent from a clock that goes on. Gaps above 30 s are
        never bridged where stamps were put on the device's clock.

        A sample is clipped at or beyond the declared range, else at the greatest magnitude of the recording (1.5 g or
        more; of PPG at either extreme of its own row) where three or more such samples stand in a row.

    Raises
    ------
    ValueError
        For a recording without accel and ppg, for sensors that share no time, and where less than one window is shared.
    """
    signals = _signals(recording)
    span = _declared_range(recording["accel"]) if "accel" in signals else None
    arrays = {name: (times, values) for name, (times, values, _) in signals.items()}
    part = cut_signals(
        arrays,
        length,
        stride,
        sampling_rate,
        gravity_cutoff,
        max_gap,
        across_gaps,
        gate,
        evenly=evenly,
        span=span,
        n_jobs=n_jobs,
    )
    attrs = {k: recording.attrs[k] for k in ("device", "source", "start_time") if k in recording.attrs}
    return _dataset(recording, signals, part, attrs | part.about)


class Cut(NamedTuple):
    """Windows without labels: columns by window, samples by sensor, and the attributes that `segment` gives them."""

    columns: dict[str, np.ndarray]
    cuts: dict[str, np.ndarray]
    about: dict[str, Any]
    noted: dict[str, dict[str, Any]]  # what was found out about each sensor


def cut_signals(
    signals: Mapping[str, tuple[np.ndarray, np.ndarray]],
    length: float = 60.0,
    stride: float | None = None,
    sampling_rate: float = 64.0,
    gravity_cutoff: float = 0.5,
    max_gap: float = 0.5,
    across_gaps: bool = False,
    gate: Gate | None = None,
    *,
    evenly: bool = True,
    span: float | None = None,
    n_jobs: int | None = None,
) -> Cut:
    """Cut arrays as `segment` cuts a recording.

    Parameters
    ----------
    signals : mapping of str to (array of float64 (n,), array (n, n_rows))
        Of ``accel``, ``ppg`` or both: sorted time stamps in s, and the samples.
    length, stride, sampling_rate, gravity_cutoff, max_gap, across_gaps, gate, evenly, n_jobs
        As in `segment`.
    span : float, optional
        End of the accelerometer's scale, g, where it is known.

    Returns
    -------
    Cut
        Its column ``start`` in s on the clock of the signals.
    """
    rate = check_sampling_rate(sampling_rate)
    n_samples = whole_samples(length, rate, "length")
    n_stride = n_samples if stride is None else whole_samples(stride, rate, "stride")
    max_gap = check_max_gap(max_gap)
    if gate is not None and not isinstance(gate, Gate):
        raise ValueError(f"gate is a {type(gate).__name__}; expected a biosig.signals.Gate")
    gravity_cutoff = float(gravity_cutoff) if isinstance(gravity_cutoff, (int, float)) else gravity_cutoff
    if "accel" in signals:
        (gravity_cutoff,) = check_edges((gravity_cutoff,), GRAVITY_ORDER, rate)
    clocks = {name: find_clock(t, bool(evenly)) for name, (t, _) in signals.items()}
    noted = {name: clock.record for name, clock in clocks.items()}
    measured = {name: (clocks[name].times, v) for name, (_, v) in signals.items()}
    if "accel" in signals:
        times, values = measured["accel"]
        values, lacking = without_unmeasured(values, clocks["accel"].rate)
        measured["accel"], noted["accel"] = (times, values), noted["accel"] | lacking
    begin, end = _shared_time({name: (t, clocks[name].rate) for name, (t, _) in measured.items()})
    # A regression knows the ends of a recording within a fraction of a sample, which must not cost the last window.
    slack = 0.5 if any(clock.device for clock in clocks.values()) else 1e-6
    n_grid = math.floor((end - begin) * rate + slack)
    if n_grid < n_samples:
        raise ValueError(
            f"the recording has {end - begin:.1f} s in common to {' and '.join(signals)}; "
            f"a window of length={n_samples / rate:g} s needs at least that much: use a shorter length"
        )
    n_windows = (n_grid - n_samples) // n_stride + 1
    held = windows_with_samples([t for t, _ in measured.values()], begin, rate, n_samples, n_stride, n_windows)
    starts = held * n_stride
    readers = {n: make_reader(clocks[n], v.T, rate, begin, max_gap) for n, (t, v) in measured.items()}
    scales, non_wear = {}, np.full(len(starts), np.nan)
    for name, (times, values) in measured.items():
        declared = span if name == "accel" else None
        number, edges = quarters(times)
        each = moments(values, edges, n_jobs)
        low, high = scale_ends(each, declared, acceleration=name == "accel")
        reached = ((each[..., 3] <= low) | (each[..., 4] >= high)).any(axis=1)
        scales[name] = Scale(
            low, high, 1 if declared is not None else FLAT_TOP, edges, np.append(0, np.cumsum(reached))
        )
        if name == "accel":
            non_wear = _share_unworn(
                number, unworn_quarters(number, each), begin + starts / rate - times[0], n_samples / rate
            )
    plan = Plan(readers, scales, starts, non_wear, n_samples, n_grid, rate, gravity_cutoff, bool(across_gaps), gate)
    columns, cuts, passed = all_blocks(plan, n_jobs)
    n_judged = len(next(iter(passed.values())))
    about = {"sampling_rate": rate, "length": n_samples / rate, "stride": n_stride / rate}
    about |= {"gravity_cutoff": gravity_cutoff, "n_across_gaps": len(starts) - n_judged}
    about |= {"n_without_samples": n_windows - len(starts)}
    if gate is not None:
        about |= tally(passed, n_judged)
    columns["start"] = begin + starts[columns["window"]] / rate
    return Cut(columns, cuts, about, noted)


def _signals(recording) -> dict[str, tuple[np.ndarray, np.ndarray, xr.Variable]]:
    """Per sensor its time stamps (s, sorted), its samples (n, n_rows) and the coordinate that names the rows."""
    if not isinstance(recording, xr.Dataset):
        raise ValueError(
            f"recording is a {type(recording).__name__}; expected the xarray.Dataset that biosig.read returns"
        )
    found = {}
    for name in ("accel", "ppg"):
        if name not in recording:
            continue
        signal = recording[name]
        time_dim = f"time_{name}"
        if signal.ndim != 2 or time_dim not in signal.dims or time_dim not in signal.coords:
            raise ValueError(
                f"{name} has the dimensions {signal.dims}; expected ('{time_dim}', ...) with time in seconds"
            )
        row_dim = next(d for d in signal.dims if d != time_dim)
        times = np.asarray(signal[time_dim].values)
        values = filled(signal.transpose(time_dim, row_dim).values)
        if times.dtype.kind not in "fiu" or values.dtype.kind not in "fiub":
            raise ValueError(
                f"{name} holds {values.dtype} and its time {times.dtype}; expected numbers, time in seconds"
            )
        times = np.ascontiguousarray(times, np.float64)
        if times.size < 2 or not np.isfinite(times).all() or times.min() == times.max():
            raise ValueError(
                f"{name} has {times.size} samples; its time stamps must be finite and at least two distinct"
            )
        if name == "ppg":
            values = centred(values.T)[0].T
        if values.dtype.type not in (np.float32, np.float64) or not values.dtype.isnative:
            with np.errstate(over="ignore"):  # beyond float32 is infinite, so missing
                values = values.astype(np.float32)
        times, rows = sort_by_time(times, values.T)
        found[name] = (times, rows.T, signal[row_dim].reset_coords(drop=True).variable)
    if not found:
        raise ValueError(f"the recording holds {sorted(map(str, recording.data_vars))}; expected accel or ppg")
    return found


def _shared_time(readers: dict[str, tuple[np.ndarray, float]]) -> tuple[float, float]:
    """First and last second (the last sample's own duration included) that all sensors cover."""
    spans = {name: (float(t[0]), float(t[-1]) + 1 / rate) for name, (t, rate) in readers.items()}
    start = max(span[0] for span in spans.values())
    stop = min(span[1] for span in spans.values())
    if stop <= start:
        told = ", ".join(f"{name} from {a:.1f} to {b:.1f} s" for name, (a, b) in spans.items())
        raise ValueError(f"the sensors share no time ({told}); check the time coordinates of the recording")
    return start, stop


def _declared_range(signal: xr.DataArray) -> float | None:
    """End of the sensor's scale, g, where the recording tells it."""
    try:
        end = float(signal.attrs.get("range", math.nan))
    except (TypeError, ValueError):
        return None
    return end if math.isfinite(end) and end > 0 else None


def _share_unworn(number: np.ndarray, verdict: np.ndarray, starts: np.ndarray, length: float) -> np.ndarray:
    """Share of windows that lies in quarters (`number`) without wear; NaN where that is not known."""
    share, known = np.zeros(len(starts)), np.zeros(len(starts), np.bool_)
    for i, unworn_here in zip(number.tolist(), verdict, strict=True):
        if np.isnan(unworn_here):
            continue
        first, last = np.searchsorted(starts, [i * STEP - length, (i + 1) * STEP])
        part = starts[first:last]
        inside = np.clip(np.minimum(part + length, (i + 1) * STEP) - np.maximum(part, i * STEP), 0, None)
        known[first:last] |= inside > 0
        share[first:last] += unworn_here * inside / length
    return np.where(known, np.minimum(share, 1.0), np.nan)


def _dataset(recording, signals, part: Cut, attrs: dict[str, Any]) -> xr.Dataset:
    columns, cuts, rate = part.columns, part.cuts, part.about["sampling_rate"]
    n_windows = len(columns["window"])
    variables: dict = {}
    for name, (_, _, coord) in signals.items():
        units = recording[name].attrs.get("units", "g" if name == "accel" else "1")
        told = {"sampling_rate": rate, "units": units, **part.noted[name]}
        variables[name] = (("window", coord.dims[0], "sample"), cuts[name], told)
        variables[coord.dims[0]] = coord
    label = lambda key: ("window", np.full(n_windows, str(recording.attrs.get(key, "")), dtype=object))
    coords = {
        "participant": label("participant"),
        "session": label("session"),
        "start": ("window", columns["start"], {"units": "s"}),
        "valid": ("window", columns["valid"]),
        "motion": ("window", columns["motion"], {"units": "g"}),
        "ppg_quality": ("window", columns["ppg_quality"]),
        "non_wear": ("window", columns["non_wear"]),
        "clipped": ("window", columns["clipped"]),
    }
    if "posture" in columns:
        axis = signals["accel"][2].dims[0]
        variables["posture"] = (("window", axis), columns["posture"], {"units": "degrees"})
    return xr.Dataset(variables, coords=coords, attrs=attrs)
