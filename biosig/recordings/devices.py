"""What simulated devices do to a signal: rates, noise, range and step."""

from __future__ import annotations

from dataclasses import dataclass

from biosig._checks import check_sampling_rate


@dataclass(frozen=True)
class Device:
    """A wrist device for `simulate_cohort`.

    Parameters
    ----------
    name : str
    accel_rate, ppg_rate : float
        Hz.
    accel_step : float
        Quantisation step of the acceleration in g.
    accel_noise : float
        Standard deviation of its white noise in g, per axis and sample; single devices vary around it.
    accel_range : float
        Largest acceleration in g.
    ppg_level : float
        Light level on which the pulses ride, in device units; 0 for devices that remove it.
    ppg_noise : float
        Standard deviation of the white noise of the PPG, relative to the median pulse of a median person.
    ppg_slow_noise : float, default 0
        Standard deviation of its slow noise (what tissue, contact and small movements do), on the same scale.
    ppg_slow_below : float, default 2
        Frequency in Hz up to which the slow noise is flat; above, it falls by 12 dB an octave.
    ppg_bursts : float, default 0
        Disturbances of a second or two per minute that the light sees and the acceleration does not: fingers, contact.
    """

    name: str
    accel_rate: float
    ppg_rate: float
    accel_step: float
    accel_noise: float
    accel_range: float
    ppg_level: float
    ppg_noise: float
    ppg_slow_noise: float = 0.0
    ppg_slow_below: float = 2.0
    ppg_bursts: float = 0.0

    def __post_init__(self):
        check_sampling_rate(self.accel_rate, "accel_rate")
        check_sampling_rate(self.ppg_rate, "ppg_rate")
        for name in ("accel_step", "accel_noise", "ppg_level", "ppg_noise", "ppg_slow_noise", "ppg_bursts"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} of the device is {getattr(self, name)!r}; expected a number of at least 0")
        if not 0 < self.ppg_slow_below < float("inf"):
            raise ValueError(
                f"ppg_slow_below of the device is {self.ppg_slow_below!r}; expected a positive number of Hz"
            )
        if not 0 < self.accel_range < float("inf"):
            raise ValueError(f"accel_range of the device is {self.accel_range!r}; expected a positive number of g")


# The noise of the PPG is fitted to recordings (examples/benchmarks/ppg_noise.py): "watch" to Empatica EmbracePlus, "e4"
# to two sets of the E4. Both smooth what they measure, so that hardly any white noise is left.
DEVICES = {
    # Newer watches: steps of about 0.5 mg at 50 to 100 Hz.
    "watch": Device("watch", 50.0, 64.0, 0.0005, 0.001, 8.0, 100.0, 0.002, 0.012, 1.2),
    # Empatica E4: 1/64 g at 32 Hz, range 2 g; the stillest minutes of real sessions have 3 to 5 mg after gravity.
    "e4": Device("e4", 32.0, 64.0, 1 / 64, 0.004, 2.0, 0.0, 0.002, 0.045, 2.0, 5.0),
}
"""Devices known by name."""


def find_device(device: str | Device) -> Device:
    """The device of that name, or `device` itself; ValueError lists the names known."""
    if isinstance(device, Device):
        return device
    if device not in DEVICES:
        raise ValueError(f"device is {device!r}; expected one of {sorted(DEVICES)} or a biosig.recordings.Device")
    return DEVICES[device]
