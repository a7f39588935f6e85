"""Windows brought to another rate: biosig.resample against soxr, SciPy, resampy and samplerate.

Run ``python examples/benchmarks/signals.py --parts resampling``. The quality of every program is measured here, by
sending tones through it as they come (float32): *ripple* is the greatest deviation of the gain from 1 up to 0.9 of the
lower Nyquist rate; *alias* is the loudest of all that comes out and is not the tone that went in, or, of a tone above
the lower Nyquist rate, of all that comes out. Programs of equal quality reject aliases by 100 dB and keep the ripple
within 0.01 dB; the fastest of these is the one that counts, in bold type. Slow programs get a tenth of the windows, and
their times are multiplied.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

LENGTH = 60  # s
ALIAS, RIPPLE = -100.0, 0.01  # dB, equal quality
TONES = 150


class Program(NamedTuple):
    """A peer: its module, whether it gets a tenth of the work, and ``function(x, rate, target_rate)``."""

    module: str
    slow: bool
    function: Callable[[np.ndarray, float, float], np.ndarray]


class Quality(NamedTuple):
    """Both in dB."""

    alias: float
    ripple: float

    def enough(self) -> bool:
        return self.alias <= ALIAS and self.ripple <= RIPPLE

    def told(self) -> str:
        return f"alias {self.alias:.1f} dB, ripple {self.ripple:.2g} dB"


def by_rows(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Make a function of one row work on (n_windows, n_channels, n): the fastest way to use soxr and samplerate."""

    def on_all(x: np.ndarray) -> np.ndarray:
        rows = x.reshape(-1, x.shape[-1])
        first = function(rows[0])
        out = np.empty((len(rows), first.size), np.float32)
        out[0] = first
        for i in range(1, len(rows)):
            out[i] = function(rows[i])
        return out.reshape(*x.shape[:-1], -1)

    return on_all


def soxr(quality: str):
    def function(x, rate, target_rate):
        import soxr

        return by_rows(lambda row: soxr.resample(row, rate, target_rate, quality))(x)

    return function


def samplerate(converter: str):
    def function(x, rate, target_rate):
        import samplerate

        n = int(x.shape[-1] * target_rate / rate)  # the last sample or two do not always come out
        return by_rows(lambda row: np.resize(samplerate.resample(row, target_rate / rate, converter), n))(x)

    return function


def resampy(x, rate, target_rate):
    import resampy

    return resampy.resample(x, rate, target_rate, axis=-1, filter="kaiser_best", parallel=False)


def resample_poly(x, rate, target_rate):
    from scipy.signal import resample_poly

    ratio = Fraction(target_rate / rate).limit_denominator(1000)
    return resample_poly(x, ratio.numerator, ratio.denominator, axis=-1)


def resample_poly_110(x, rate, target_rate):
    """SciPy with a filter of equal quality, as one would design it: Kaiser, 110 dB, between 0.9 and 1 of the band."""
    from scipy.signal import firwin, kaiserord, resample_poly

    ratio = Fraction(target_rate / rate).limit_denominator(1000)
    up, down = ratio.numerator, ratio.denominator
    n_taps, beta = kaiserord(110.0, 0.1 / max(up, down))
    taps = firwin(n_taps | 1, 0.95 / max(up, down), window=("kaiser", beta)).astype(np.float32)
    return resample_poly(x, up, down, axis=-1, window=taps)


PEERS = {
    "soxr HQ": Program("soxr", False, soxr("HQ")),
    "soxr VHQ": Program("soxr", False, soxr("VHQ")),
    "SciPy resample_poly": Program("scipy", False, resample_poly),
    "SciPy resample_poly, 110 dB filter": Program("scipy", False, resample_poly_110),
    "resampy kaiser_best": Program("resampy", True, resampy),
    "samplerate sinc_best": Program("samplerate", True, samplerate("sinc_best")),
    "samplerate sinc_medium": Program("samplerate", True, samplerate("sinc_medium")),
}


def measure(function, rate: float, target_rate: float) -> Quality:
    """Send tones up to the given Nyquist rate through a program; see the module for what is measured."""
    n = round(LENGTH * rate)
    top = min(rate, target_rate) / 2
    tones = np.linspace(0.005, 0.499, TONES) * rate
    x = np.sin(2 * math.pi * tones[:, None] * np.arange(n) / rate + 0.7).astype(np.float32)
    y = function(x[:, None, :], rate, target_rate)[:, 0].astype(np.float64)
    inner = slice(y.shape[1] // 4, 3 * y.shape[1] // 4)  # far from the ends
    times = np.arange(y.shape[1])[inner] / target_rate
    alias, ripple = 0.0, 0.0
    for tone, row in zip(tones, y[:, inner], strict=True):
        rest = row
        if tone < top:
            waves = np.stack([np.sin(2 * math.pi * tone * times), np.cos(2 * math.pi * tone * times)], axis=1)
            parts, *_ = np.linalg.lstsq(waves, row, rcond=None)
            rest = row - waves @ parts
            if tone <= 0.9 * top:
                ripple = max(ripple, abs(20 * math.log10(np.hypot(*parts))))
        alias = max(alias, math.sqrt(2 * np.mean(rest**2)))
    return Quality(20 * math.log10(alias), ripple)


def compare(rate: float, target_rate: float, n_windows: int, repeats: int, n_threads: int) -> list:
    from parts.rows import Row, not_installed, ratio, take_turns, told

    import biosig

    x = np.random.default_rng(0).normal(size=(n_windows, 3, round(LENGTH * rate))).astype(np.float32)
    ours = lambda x, rate, target: biosig.resample(x, sampling_rate=rate, target_rate=target, n_jobs=n_threads)
    work = f"{rate:g} to {target_rate:g} Hz, {x.shape} float32"
    present = {name: peer for name, peer in PEERS.items() if importlib.util.find_spec(peer.module)}
    few = x[: n_windows // 10]
    programs = {"ours": lambda: ours(x, rate, target_rate)}
    for name, peer in present.items():
        programs[name] = lambda peer=peer: peer.function(few if peer.slow else x, rate, target_rate)
    seconds = take_turns(programs, repeats)
    seconds |= {name: [10 * t for t in seconds[name]] for name, peer in present.items() if peer.slow}
    quality = {name: measure(peer.function, rate, target_rate) for name, peer in present.items()}
    our_quality = measure(ours, rate, target_rate)
    equal = [name for name in present if quality[name].enough()]
    counts = min(equal, key=lambda name: np.median(seconds[name]), default=None)
    rows = []
    for name in PEERS:
        if name not in present:
            rows.append(not_installed(work, name))
            continue
        faster = ratio(seconds[name], seconds["ours"])
        told_quality = f"ours: {our_quality.told()}; peer: {quality[name].told()}"
        if name not in equal:
            told_quality += " (not equal)"
        faster = f"**{faster}**" if name == counts else faster
        rows.append(Row(work, told(seconds["ours"]), f"{name}: {told(seconds[name])}", faster, told_quality))
    return rows


def run(repeats: int, quick: bool, n_threads: int) -> list:
    """Rows of the benchmark table, one for each peer and pair of rates."""
    n_windows = 100 if quick else 1000
    return [row for rate in (100.0, 32.0) for row in compare(rate, 64.0, n_windows, repeats, n_threads)]
