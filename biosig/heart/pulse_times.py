"""Times of pulses with the standard error of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from biosig_kernels.filtering import LANES
from biosig_kernels.threads import over_rows

from biosig.heart.beats import blocks, check_beat_options, empty_beats, find_beats, pulse_rows
from biosig.heart.timing import timed_variability


class PulseTimes(NamedTuple):
    """Times of pulses, how sure they are, and how noisy each window is; see `pulse_times`."""

    beats: np.ndarray
    errors: np.ndarray
    timing_noise: np.ndarray | float


def pulse_times(ppg, sampling_rate=None, *, method="msptdfast", n_jobs=None) -> PulseTimes:
    """Times of the pulses in photoplethysmograms (PPG), with the standard error of each.

    Parameters
    ----------
    ppg, sampling_rate, method, n_jobs
        As in `biosig.heart.detect_beats`.

    Returns
    -------
    PulseTimes
        beats : as `detect_beats` returns them with ``fiducial="template"``
            Seconds.
        errors : of the same shape
            Standard error of each time in s, estimated from the pulses themselves; NaN where a time was not refined:
            pulses too far beyond the ends of the window, those that have nothing in common with the mean pulse, and
            all pulses of windows with fewer than 5 whole ones.
        timing_noise : float, or ndarray of shape (n_windows,)
            Root mean square error in ms of the well-timed beats of good intervals.

    Raises
    ------
    ValueError
        As `detect_beats` does.

    See Also
    --------
    biosig.heart.hrv : takes the errors, and the noise out of SDNN and RMSSD.

    Notes
    -----
    A pulse is taken for the mean pulse of its window, scaled and shifted, on a straight line, plus noise. The noise is
    a mixture of white noise and noise that falls with the square of frequency, in amounts that follow from what the
    fits leave over; the error is that of a least-squares fit in such noise. Pulses that fit unusually badly have
    errors larger in proportion. In simulations the estimate is within 10 % of the truth on average for white noise and
    noise that falls with any power of frequency up to the third. What tells pulses apart in shape and follows the
    interval before them is not counted as noise; other true changes of shape are.
    """
    rows, n_axes = pulse_rows(ppg, sampling_rate)
    check_beat_options(rows.sampling_rate, method)
    n_rows, n_samples = rows.values.shape
    beats, counts = empty_beats(n_rows, n_samples, rows.sampling_rate)
    errors = np.full(beats.shape, np.nan)

    def work(start: int, stop: int) -> None:
        for block in blocks(start, stop, n_samples):
            given = rows.values[block], rows.sampling_rate, beats[block], counts[block]
            find_beats(*given, method, errors=errors[block])

    over_rows(work, n_rows, 1 if method.startswith("neurokit") else n_jobs, grain=LANES)
    most = counts.max(initial=0)
    beats, errors = beats[:, :most].copy(), errors[:, :most].copy()
    noise = 1000 * timed_variability(beats, errors, n_jobs=n_jobs).timing_noise
    return PulseTimes(beats[0], errors[0], float(noise[0])) if n_axes == 1 else PulseTimes(beats, errors, noise)
