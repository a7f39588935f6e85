"""A stream of simulated participants: what is used when, how often, and that it repeats and resumes bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig.signals import Gate
from biosig.signals.simulated import simulate_windows
from biosig.training import train_masked_autoencoder
from biosig.training.rounds import Rounds
from biosig.training.streamed import HELD_PEOPLE, StreamMaterial
from tests.training import streamed
from tests.training.streamed import STEPS, config, contrastive, distilled, masked, options, stream, supervised

ROOT = Path(__file__).parents[2]


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4))
def test_steps_and_rounds(steps_a_block, uses, batch_size):
    rounds = Rounds(steps_a_block * batch_size, uses, batch_size)
    expected = [(number, place) for number in range(12) for place in range(min(number + 1, uses) * steps_a_block)]
    assert [rounds.place(step) for step in range(len(expected))] == expected
    assert [rounds.begin(number) for number in range(12)] == [expected.index((number, 0)) for number in range(12)]


def opened(given=None, modality="ppg", **changed):
    return StreamMaterial(given or stream(n_workers=0), {"x": config(modality)}, options(**changed))


def numbers(material, n_steps, **how):
    """The numbers of the windows of each step."""
    drawn = material.draw(material._options, **{"together": 1, "in_pairs": False, "recent": 0} | how)
    material.begin(0, {})
    return np.array([drawn.rows_of(step) for step in range(n_steps)])


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 4), st.integers(8, 30), st.booleans(), st.integers(1, 3))
def test_each_window_is_used_so_many_times(uses, block, in_pairs, together):
    block += 8 * in_pairs  # pairs take two participants
    with opened(stream(n_workers=0, uses=uses, buffer=uses * block)) as material:
        rows = numbers(material, 30, in_pairs=in_pairs, together=together)
        counts = Counter(rows.ravel().tolist())
        block = material._rounds.n_block
        last = material._rounds.place(30)[0]
        finished = (last - uses + 1) * block  # windows of blocks whose last round is over
        assert {counts[row] for row in range(finished)} <= {uses} and max(counts.values()) <= uses
        assert sum(counts.values()) == 30 * 8 and max(counts) < (last + 1) * block


def test_the_windows_are_those_of_the_participants_in_order_and_go_round():
    given = stream(n_workers=0, n_participants=3)
    expected = [simulate_windows(given.recipe(), number % 3) for number in range(12)]
    windows = np.concatenate([each.signals["ppg"] for each in expected])
    people = np.repeat([each.participant for each in expected], [len(each.start) for each in expected])
    seen = {}
    with opened(given) as material:
        drawn = material.draw(material._options, together=1, in_pairs=False, recent=0)
        material.begin(0, {})
        for step in range(12):
            rows = drawn.rows_of(step)
            np.testing.assert_array_equal(material.signals["x"][rows], windows[rows])
            np.testing.assert_array_equal(material.groups[rows], people[rows])
            targets = np.concatenate([each.targets for each in expected])[rows]
            np.testing.assert_array_equal(material.targets(rows), targets)
            seen |= dict.fromkeys(rows.tolist())
    assert people[max(seen)] in (0, 1, 2) and max(seen) > sum(len(each.start) for each in expected[:3])


def test_pairs_are_of_one_participant_and_neighbours_come_together():
    with opened(stream(n_workers=0, buffer=48)) as material:
        drawn = material.draw(material._options, together=1, in_pairs=True, recent=0)
        material.begin(0, {})
        for step in range(12):
            pairs = drawn.rows_of(step).reshape(-1, 2)
            people = material.groups[pairs.ravel()].reshape(-1, 2)
            assert (pairs[:, 0] != pairs[:, 1]).all() and (people[:, 0] == people[:, 1]).all()
    with opened(stream(n_workers=0, buffer=48)) as material:
        drawn = material.draw(material._options, together=4, in_pairs=False, recent=0)
        material.begin(0, {})
        alike = []
        for step in range(6, 12):
            alike.append(Counter(material.groups[drawn.rows_of(step)].tolist()).most_common(1)[0][1])
        assert np.mean(alike) >= 3


def test_memory_holds_no_more_than_the_buffer():
    with opened(stream(n_workers=0, uses=3, buffer=24)) as material:
        drawn = material.draw(material._options, together=1, in_pairs=False, recent=40)
        material.begin(0, {})
        for step in range(40):
            drawn.rows_of(step)
            drawn.rows_of(max(0, step - 5))
            held = [block for block in material._blocks.values() if block._parts is not None]
            assert sum(len(block.start) for block in held) <= 24
            assert len(material._blocks) <= 3 + 5


def test_a_stream_taken_up_again_gives_the_same_windows():
    how = {"together": 2, "in_pairs": False, "recent": 16}
    with opened() as material:
        expected = numbers(material, 40, **how)
        windows = material.signals["x"][expected[-1]]
        positions = {step: material.position(step) for step in (0, 1, 17, 33, 40)}
    for step in (1, 17, 33):
        with opened() as material:
            drawn = material.draw(material._options, **how)
            material.begin(step, positions[step])
            first = material._next_block
            found = [drawn.rows_of(later) for later in range(step, 40)]
            np.testing.assert_array_equal(found, expected[step:])
            np.testing.assert_array_equal(material.signals["x"][found[-1]], windows)
            assert step < 10 or first > 0  # not from the beginning
            for later in (step + 1, 39, 40):
                assert material.position(later)["first_step"] == 0


# Trainings


def same(one, other):
    for name, values in one.weights.items():
        np.testing.assert_array_equal(values, other.weights[name], err_msg=name)
    for name in ("step", "loss", "learning_rate", "validation_step", "validation_loss"):
        assert one.history.get(name) == other.history.get(name)


@pytest.mark.parametrize("train", [masked, contrastive, supervised])
def test_trainings_repeat_whatever_the_number_of_processes(train):
    one, other = train(stream(n_workers=0, buffer=48)), train(stream(n_workers=2, buffer=48))
    assert len(one.history["loss"]) == STEPS and np.isfinite(one.history["loss"]).all()
    assert 0.0 <= one.history["wait_share"] <= 1.0
    same(one, other)


def test_supervised_training_learns_in_the_units_of_the_truth():
    fitted = supervised(stream(n_workers=0, targets=("sdnn", "heart_rate")))
    windows = simulate_windows(stream().recipe(), 100)
    predicted = fitted.predict(windows.signals["accel"])
    assert predicted.shape == (len(windows.start), 2)
    assert (np.abs(predicted[:, 1] - 70) < 30).all() and (predicted[:, 0] < 200).all()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, distilled(checkpoint=folder)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_killed_trainings_end_with_the_same_weights(whole, tmp_path):
    command = [sys.executable, "-m", "tests.training.streamed", str(tmp_path / "run"), "9"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    again = distilled(stream(stride=4.0, n_workers=0), checkpoint=tmp_path / "run")
    same(whole[1], again)
    assert again.history["step"] == list(range(STEPS))


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_a_training_survives_the_death_of_its_processes(whole, monkeypatch):
    killed, begun = [], []
    begin = StreamMaterial.begin
    monkeypatch.setattr(StreamMaterial, "begin", lambda self, *given: (begun.append(self), begin(self, *given))[1])

    def kill(progress):
        for pid in begun[0]._pool.pids if progress.step in (1, 7) else ():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    same(whole[1], distilled(callback=kill))
    assert killed
    assert not begun[0]._pool.pids


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"random_state": 6}, r"data\.simulated\.seed is 5 there and 6 here"),
        ({"uses": 2}, r"data\.uses is 3 there and 2 here"),
        ({"n_participants": 10}, r"data\.n_participants"),
        ({"device": ["watch", "e4"]}, r"data\.simulated\.devices"),
        ({"minutes": 3.0}, r"data\.simulated\.duration is 120"),
        ({"gate": Gate(max_motion=0.02, min_ppg_quality=0.3)}, r"data\.simulated\.gate\.max_motion"),
    ],
)
def test_a_stream_with_other_settings_is_refused_by_name(whole, changed, named):
    with pytest.raises(ValueError, match=f"checkpoints of another training: .*{named}"):
        distilled(stream(stride=4.0, **changed), checkpoint=whole[0])


def test_arrays_do_not_resume_a_stream(whole):
    x = np.zeros((20, 1, 128), np.float32) + np.arange(20, dtype=np.float32)[:, None, None]
    with pytest.raises(ValueError, match="another training"):
        train_masked_autoencoder(x, config(), options=options(checkpoint=whole[0]))


def test_further_steps_go_on_with_people_not_seen_before():
    first = masked(stream(n_workers=0))
    known = first.state.feed
    assert known["first_step"] == 0 and known["block"] > 0
    begun = []
    begin = StreamMaterial.begin

    class Watched(StreamMaterial):
        def begin(self, *given):
            begin(self, *given)
            begun.append((self._next_block, self._number))

    from biosig.training import material

    original, material.StreamMaterial = material.StreamMaterial, Watched
    try:
        given = stream(n_workers=0)
        train_masked_autoencoder(given, config(), options=options(), start=first.state)
        other = given.with_settings(random_state=9)
        again = train_masked_autoencoder(other, config(), options=options(), start=first.state)
    finally:
        material.StreamMaterial = original
    assert begun == [(known["block"], known["participant"]), (0, 0)]
    assert again.state.feed["first_step"] == STEPS


def test_held_out_people_are_never_trained_on(whole):
    assert np.isfinite(whole[1].history["validation_loss"]).all()
    with opened(validation_fraction=0.5) as material:
        drawn = material.draw(material._options, together=1, in_pairs=False, recent=0)
        assert material.groups[drawn.held].min() >= HELD_PEOPLE and len(np.unique(material.groups[drawn.held])) >= 2


# What cannot be


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_participants": 0}, "n_participants is 0; expected a whole number"),
        ({"uses": 2.5}, "uses is 2.5"),
        ({"n_workers": -1}, "n_workers is -1"),
        ({"random_state": None}, "random_state is None"),
        ({"mix_fraction": 0.2}, "mix_fraction is 0.2 with no windows to mix in"),
        ({"mix": {}}, "mix_fraction is 0 with windows"),
        ({"mix_fraction": 1.0}, "0 to less than 1"),
        ({"targets": ("age",)}, "targets are"),
        ({"minutes": 0.1}, "give no window"),
        ({"device": "clock"}, "device is 'clock'"),
    ],
)
def test_impossible_settings_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        stream(**changed)


def test_a_gate_that_lets_nobody_pass_ends_with_an_error():
    with pytest.raises(ValueError, match="of 9 simulated participants in a row none has 1 windows that pass the gate"):
        masked(stream(gate=Gate(max_motion=1e-9), n_workers=1))


def test_one_participant_has_nobody_to_be_told_from():
    with pytest.raises(ValueError, match="begins with one participant alone"):
        contrastive(stream(n_participants=1, n_workers=0))


def test_what_a_stream_brings_must_not_be_given_beside_it():
    x = np.zeros((4, 1, 128), np.float32)
    with pytest.raises(ValueError, match="groups given beside a stream"):
        train_masked_autoencoder(stream(), config(), options=options(), groups=np.zeros(4))
    with pytest.raises(ValueError, match="brings its own targets"):
        streamed.train_supervised(stream(), np.zeros(4), config("accel"), options=options())
    with pytest.raises(ValueError, match="ppg given beside a stream"):
        streamed.train_distilled(stream(), x, config("accel"), streamed.random_encoder(config(), 1), options=options())


def test_windows_that_do_not_fit_the_encoder():
    with pytest.raises(ValueError, match=r"ppg windows of 1 x 160 samples at 16 Hz; the encoder \(x\) takes 1 x 128"):
        masked(stream(length=10.0))
