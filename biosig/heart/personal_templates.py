"""Waveforms of one person's beats, learned where the beats are known, used where they are not."""

from __future__ import annotations

import numpy as np

from biosig.heart.beat_templates import CHUNK, MIN_KEPT, Template, average, chunks, direction, minute_of
from biosig.heart.recording_clock import even_acceleration, laid_out
from biosig.heart.vibration import RATE, vibration

LEAST_BEATS = 30
LEAST_AGREEMENT = 0.3


class BeatTemplates:
    """How a person's beats move the sensor, from minutes that have a PPG.

    The case is an optical sensor that is switched off to save power: fit on the minutes that have it, then
    ``track_heart_rate(accel, templates=templates)``.

    Attributes
    ----------
    templates_ : list
        Waveforms by posture, about three minutes each.
    n_beats_ : int
        Beats that they were averaged over.
    """

    def fit(self, accel, ppg=None, *, beats=None, sampling_rate=None) -> BeatTemplates:
        """Average the acceleration about the beats.

        Parameters
        ----------
        accel : array_like of shape (3, n_samples) or xarray.DataArray
            g, gravity in; such as ``recording["accel"]``.
        ppg : xarray.DataArray, optional
            With a time coordinate on the same clock, such as ``recording["ppg"]``; its beats are detected. Beats where
            it has no good pulse are left out.
        beats : array_like of shape (n_beats,), optional
            Times of beats in s on the clock of `accel`, in place of `ppg`; such as ``recording["systolic_peak"]``.
        sampling_rate : float, optional
            Hz, of `accel`.

        Returns
        -------
        BeatTemplates
            Itself.

        Raises
        ------
        ValueError
            Without beats, or when the acceleration shows nothing in common at the beats.
        """
        if (ppg is None) == (beats is None):
            raise ValueError("expected either ppg or beats: the minutes in which the heart beat is known")
        times = _beats_of_ppg(ppg) if beats is None else np.sort(np.asarray(beats, dtype=np.float64).ravel())
        times = times[np.isfinite(times)]
        clock = even_acceleration(accel, sampling_rate, 1.0, 1.0)
        signal = vibration(clock.values, 0.45 * clock.sampling_rate)
        n = clock.values.shape[1]
        first = float(clock.starts[0]) if len(clock.starts) else 0.0
        at = np.round((times - first) * RATE).astype(np.int64)
        at = at[(at >= 0) & (at < n)]
        chance = np.zeros(n, np.float32)
        chance[at] = 1.0
        self.templates_: list[Template] = []
        self.n_beats_ = 0
        for part in chunks(n):
            count = int(chance[part].sum())
            if count < LEAST_BEATS or signal.left_out[part].mean() > 1 - MIN_KEPT:
                continue
            waveform, energy, agreement = _best_delay(signal, chance, part)
            if agreement < LEAST_AGREEMENT or not energy > 0:
                continue
            rate = 60 * RATE * (count - 1) / max(float(np.ptp(np.flatnonzero(chance[part]))), 1.0)
            gain = 10.0 * energy * agreement  # as sure as a rhythm found by itself
            where = direction(signal, part)
            self.templates_.append(Template(waveform, energy, agreement, gain, rate, minute_of(part), where))
            self.n_beats_ += count
        if not self.templates_:
            raise ValueError(
                f"the acceleration shows nothing in common at the {len(at)} beats within it; expected at least "
                f"{CHUNK} s of a wrist at rest, and a sensor that resolves about 1 mg"
            )
        return self


def _best_delay(signal, chance, part):
    """Average about the beats, put where its window holds most energy: pulses arrive after the recoil."""
    best = average(signal, chance[part], part)
    for delay in range(-32, 17, 4):
        found = average(signal, np.roll(chance, delay)[part], part)
        if found[1] > best[1]:
            best = found
    return best


def _beats_of_ppg(ppg) -> np.ndarray:
    """Times (s) of the beats of a PPG with a clock, in minutes with a good pulse."""
    from biosig.heart.beats import detect_beats
    from biosig.heart.targets import ppg_targets
    from biosig.signals.resampling import resample

    dim = next((str(d) for d in getattr(ppg, "dims", ()) if str(d).startswith("time")), None)
    if dim is None or dim not in ppg.coords:
        raise ValueError("ppg has no time coordinate; expected recording['ppg'], or give beats= (s)")
    if "wavelength" in ppg.dims:
        ppg = ppg.isel(wavelength=0)
    values, start = laid_out(resample(ppg, target_rate=RATE))
    size = round(30 * RATE)
    count = len(values) // size
    if not count:
        return np.zeros(0)
    rows = values[: count * size].reshape(count, size)
    good = (ppg_targets(rows, RATE)["reason"] == "").to_numpy()
    found = detect_beats(rows, RATE)
    times = [start + i * size / RATE + row[np.isfinite(row)] for i, row in enumerate(found) if good[i]]
    return np.concatenate(times) if times else np.zeros(0)
