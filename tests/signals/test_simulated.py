"""Windows of simulated participants by number: those of the recordings, whoever computes them, in whatever process."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time

import numpy as np
import pytest

from biosig.recordings import simulate_cohort, truth_targets
from biosig.recordings.devices import find_device
from biosig.signals import Gate, segment, workers
from biosig.signals.simulated import Recipe, device_mixture, device_of, simulate_windows
from biosig.signals.workers import SimulationError, SimulationPool


def recipe(**changed):
    settings = {"seed": 3, "duration": 90.0, "devices": device_mixture("watch"), "length": 10.0, "sampling_rate": 32.0}
    return Recipe(**settings | changed)


def same(one, other):
    assert one.participant == other.participant
    np.testing.assert_array_equal(one.start, other.start)
    np.testing.assert_array_equal(one.targets, other.targets)
    assert one.signals.keys() == other.signals.keys()
    for name, values in one.signals.items():
        np.testing.assert_array_equal(values, other.signals[name])


@pytest.mark.parametrize("device", ["watch", "e4"])
@pytest.mark.parametrize("gate", [Gate(), None])
def test_windows_are_those_that_segment_cuts_from_the_recording(device, gate):
    given = recipe(devices=device_mixture(device), gate=gate, stride=4.0)
    recording = simulate_cohort(3, 90.0, device=device, random_state=3)[2]
    windows = segment(recording, length=10.0, stride=4.0, sampling_rate=32.0, gate=gate)
    found = simulate_windows(given, 2)
    assert len(found.start) and found.participant == 2
    np.testing.assert_array_equal(found.start, windows["start"].values)
    for name, values in found.signals.items():
        np.testing.assert_array_equal(values, windows[name].values)
    truth = truth_targets(recording, windows["start"].values, 10.0)[["heart_rate", "sdnn", "rmssd"]]
    np.testing.assert_array_equal(found.targets, truth.to_numpy(np.float32))


def test_a_mixture_of_devices_keeps_its_fractions_and_each_participant_its_device():
    given = recipe(devices=device_mixture({"watch": 3, "e4": 1}))
    worn = [device_of(given, number).name for number in range(400)]
    assert 0.68 < worn.count("watch") / 400 < 0.82
    assert worn == [device_of(given, number).name for number in range(400)]
    number = worn.index("e4")
    alone = recipe(devices=device_mixture(find_device("e4")))
    same(simulate_windows(given, number), simulate_windows(alone, number))


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ([], "one device or more"),
        (["watch", "watch"], "each once"),
        ("wtach", r"'wtach'; expected one of"),
        ({"watch": 0.5, "e4": 0.0}, "expected positive numbers"),
        ({"watch": float("nan")}, "expected positive numbers"),
    ],
)
def test_impossible_mixtures_are_refused(devices, message):
    with pytest.raises(ValueError, match=message):
        device_mixture(devices)


def test_recordings_shorter_than_a_window_are_refused():
    with pytest.raises(ValueError, match="recordings of 30 s give no window of 60 s"):
        recipe(duration=30.0, length=60.0)


@pytest.fixture(scope="module")
def expected():
    return [simulate_windows(recipe(), number) for number in range(6)]


def assert_all(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        same(one, other)


@pytest.mark.parametrize("n_workers", [0, 1, 2])
def test_the_same_windows_in_the_same_order_whatever_the_number_of_processes(n_workers, expected):
    with SimulationPool(recipe(), n_workers=n_workers) as pool:
        assert_all(list(pool.take(range(6))), expected)
        pool.take(itertools.repeat(3))  # given up: its processes are busy when the next begins
        again = [5, 0, 0, 5]
        assert_all(list(itertools.islice(pool.take(itertools.cycle(again)), 4)), [expected[n] for n in again])
        pids = pool.pids
    assert len(pids) == n_workers
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_one_sensor_alone_is_handed_over_alone(expected):
    with SimulationPool(recipe(), sensors=["ppg"], n_workers=1) as pool:
        (found,) = pool.take([4])
    assert list(found.signals) == ["ppg"]
    np.testing.assert_array_equal(found.signals["ppg"], expected[4].signals["ppg"])


def test_no_more_lies_ready_than_was_allowed():
    begun = []
    numbers = (begun.append(number) or number for number in itertools.count())
    with SimulationPool(recipe(gate=None), n_workers=1, ahead=20) as pool:  # 9 windows a participant (of 90 s)
        taken = pool.take(numbers)
        next(taken)
        deadline = time.monotonic() + 20
        while len(begun) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        assert len(begun) == 4  # one taken, three ready
        next(taken)
        time.sleep(0.5)
        assert len(begun) <= 5


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL and SIGSTOP")
@pytest.mark.parametrize("deed", ["kill", "stop"])
def test_a_process_that_is_killed_or_hangs_is_replaced_and_nothing_is_lost(deed, expected, monkeypatch):
    monkeypatch.setattr(workers, "SILENCE", 3.0)
    with SimulationPool(recipe(), n_workers=1, ahead=1) as pool:
        taken = pool.take(range(6))
        found = [next(taken)]
        for _ in range(2):
            victim = pool.pids[0]
            os.kill(victim, signal.SIGKILL if deed == "kill" else signal.SIGSTOP)
            found += [next(taken), next(taken)]
            assert victim not in pool.pids
        assert_all([*found, *taken], expected)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_processes_that_always_die_end_with_one_error(monkeypatch):
    monkeypatch.setattr(
        workers, "_MAIN", "import os, signal; print('gone', file=os.sys.stderr, flush=True); os.abort()"
    )
    with (
        SimulationPool(recipe(), n_workers=2) as pool,
        pytest.raises(SimulationError, match=r"3 processes died while simulating participant 0, .*signal 6.*gone"),
    ):
        list(pool.take(range(3)))


@pytest.mark.parametrize("n_workers", [0, 1])
def test_what_the_simulator_says_is_passed_on(n_workers):
    with (
        SimulationPool(recipe(), n_workers=n_workers) as pool,
        pytest.raises(SimulationError, match=r"participant -1 could not be simulated \("),
    ):
        list(pool.take([0, -1, 1]))


def test_workers_need_no_guard_in_a_script_and_end_with_it(tmp_path):
    import subprocess

    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        f"sys.path[:] = {sys.path!r}\n"
        "from tests.signals.test_simulated import recipe\n"
        "from biosig.signals.workers import SimulationPool\n"
        "pool = SimulationPool(recipe(), n_workers=1)\n"
        "next(pool.take([0, 1, 2]))\n"
        "print(pool.pids[0], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    pid, deadline = int(done.stdout), time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("the worker outlived the script")
