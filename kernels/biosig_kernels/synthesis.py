"""Adding one template per event to a regularly sampled signal: the hot loop of the simulator."""

from __future__ import annotations

import math

from biosig_kernels.jit import kernel


@kernel
def add_templates(
    times, amplitudes, stretches, template, origin, template_rate, first, sampling_rate, out, start, stop
):
    """Add a stretched copy of ``template[row]`` at each event to ``out[row]``, for rows `start` to `stop`.

    The copy of event ``b`` is ``amplitudes[row, b] * template[row]((t - times[b]) / stretches[b] + origin)``, linear
    between the points of the template and zero outside.

    Parameters
    ----------
    times : (n_events,) float64
        Event times in s, finite.
    amplitudes : (n_rows, n_events) float64
    stretches : (n_events,) float64
        Factors of time, positive.
    template : (n_rows, n_points) float64
        Sampled at `template_rate` (Hz); `origin` (s) is the place in it that falls on the event.
    first, sampling_rate : float
        Time of ``out[:, 0]`` in s and the rate of `out` in Hz.
    out : (n_rows, n_samples) float64
        Added to in place.
    """
    n_samples = out.shape[1]
    last = template.shape[1] - 1
    for row in range(start, stop):
        for event in range(times.shape[0]):
            stretch = stretches[event]
            begin = times[event] - origin * stretch
            end = begin + last / template_rate * stretch
            low = max(0, math.ceil((begin - first) * sampling_rate))
            high = min(n_samples - 1, math.floor((end - first) * sampling_rate))
            amplitude = amplitudes[row, event]
            scale = template_rate / stretch
            for sample in range(low, high + 1):
                position = (first + sample / sampling_rate - begin) * scale
                left = min(max(int(position), 0), last - 1)
                share = position - left
                value = template[row, left] + share * (template[row, left + 1] - template[row, left])
                out[row, sample] += amplitude * value
