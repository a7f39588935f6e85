"""Killed anywhere, a training ends with the same weights, bit for bit; what does not belong is refused by name."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from biosig.training import checkpoint, loop, train_masked_autoencoder
from biosig.training.checkpoint import ABOUT, BEST, LAST, Checkpoints, State
from tests.training.killed import STEPS, config, options, run, toy

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder and the result of a training that was never killed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


def same(one, other):
    for name, values in one.weights.items():
        np.testing.assert_array_equal(values, other.weights[name], err_msg=name)
    for name in ("step", "loss", "learning_rate", "validation_step", "validation_loss"):
        assert one.history[name] == other.history[name]


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_killed_at_random_moments_ends_with_the_same_weights(whole, tmp_path):
    rng = np.random.default_rng(8)
    for how in (f"step:{rng.integers(1, STEPS)}", f"write:{rng.integers(2, 4)}", f"rename:{rng.integers(1, 3)}"):
        command = [sys.executable, "-m", "tests.training.killed", str(tmp_path / "run"), how]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9, how
    again = run(tmp_path / "run")
    assert again.history["step"] == list(range(STEPS))
    same(whole[1], again)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [BEST, LAST, ABOUT]


def test_a_checkpoint_changes_nothing_and_a_finished_training_is_not_repeated(whole):
    folder, fitted = whole
    same(fitted, run(None))
    before = (folder / LAST).read_bytes()
    same(fitted, run(folder))
    assert (folder / LAST).read_bytes() == before


@pytest.fixture
def ctrl_c():
    """Ctrl-C as Python usually takes it; a shell's background job is born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_interruption_saves_and_leaves(whole, tmp_path):
    def interrupt(progress):
        if progress.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, callback=interrupt, checkpoint_every=1e9)
    assert len(Checkpoints(tmp_path, json.loads((tmp_path / ABOUT).read_text())).resume()[0].history["loss"]) == 5
    same(whole[1], run(tmp_path))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("at, saved", [(5, 6), (STEPS, STEPS)])
def test_interruption_after_the_step_was_judged_is_saved_too(whole, tmp_path, monkeypatch, at, saved):
    class Bar(loop.tqdm):
        def update(self, n=1):
            super().update(n)
            self.steps = getattr(self, "steps", 0) + 1
            if self.steps == at:
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop, "tqdm", Bar)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, checkpoint_every=1e9)
    monkeypatch.undo()
    assert len(Checkpoints(tmp_path, json.loads((tmp_path / ABOUT).read_text())).resume()[0].history["loss"]) == saved
    same(whole[1], run(tmp_path))


def test_the_best_of_the_looks_is_kept(whole):
    folder, fitted = whole
    best = int(np.argmin(fitted.history["validation_loss"]))
    state = Checkpoints(folder, json.loads((folder / ABOUT).read_text())).resume()[1]
    assert state.step == fitted.history["validation_step"][best] == fitted.state.step
    for name, values in fitted.weights.items():
        np.testing.assert_array_equal(state.weights[f"net.{name}"], values)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"batch_size": 6}, "options.batch_size is 8 there and 6 here"),
        ({"steps": 24}, "options.steps"),
        ({"random_state": 1}, "options.random_state"),
        ({"optimiser": "adam"}, "options.optimiser"),
    ],
)
def test_other_options_are_refused_by_name(whole, changed, named):
    with pytest.raises(ValueError, match=named):
        run(whole[0], **changed)


def test_other_data_and_architectures_are_refused_by_name(whole):
    x, groups = toy()
    with pytest.raises(ValueError, match=r"another training: data is '.*' there"):
        run(whole[0], x * np.float32(1.5))
    with pytest.raises(ValueError, match="data is"):
        run(whole[0], groups=groups[::-1] % 5)
    with pytest.raises(ValueError, match=r"config\.encoder\.widths"):
        run(whole[0], architecture=config(widths=[8, 16]))
    with pytest.raises(ValueError, match="training is 'supervised' there and 'masked autoencoder' here"):
        train_masked_autoencoder(x, config(), options=options(checkpoint=whole[0]), groups=groups)


@pytest.mark.parametrize("name", [LAST, BEST, ABOUT])
@pytest.mark.parametrize("damage", ["cut", "bit", "foreign", "missing"])
def test_damaged_and_foreign_files_are_refused_by_name(whole, tmp_path, name, damage):
    folder = tmp_path / "copy"
    shutil.copytree(whole[0], folder)
    content = bytearray((folder / name).read_bytes())
    if damage == "missing":
        (folder / name).unlink()
    elif damage == "cut":
        (folder / name).write_bytes(content[: len(content) // 2])
    elif damage == "foreign":
        (folder / name).write_bytes(b"PK\x03\x04 something else altogether")
    else:
        content[-9 if name != ABOUT else content.index(b"supervised")] ^= 1
        (folder / name).write_bytes(content)
    if (name, damage) == (LAST, "missing"):  # as after a kill between the two files: the best is a whole state
        same(run(folder), whole[1])
        return
    with pytest.raises(ValueError, match=name if damage != "bit" or name != ABOUT else "another training: training is"):
        run(folder)


def test_the_last_of_another_training_is_refused(whole, tmp_path):
    run(tmp_path, random_state=5)
    shutil.copy(whole[0] / LAST, tmp_path / LAST)
    with pytest.raises(ValueError, match=rf"{LAST} was altered .* or belongs to another training"):
        run(tmp_path, random_state=5)


def test_a_full_disk_leaves_the_last_good_checkpoint_and_says_so(whole, tmp_path, monkeypatch):
    written = []
    write = Path.write_bytes

    def filling(self, content):
        if self.name.startswith(".last") and (written.append(self) or 4 < len(written) < 7):
            write(self, content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", filling)
    with pytest.warns(RuntimeWarning, match=r"step [56] could not .*No space left.*that of step 4 is kept") as told:
        fitted = run(tmp_path)
    assert len(told) == 2
    same(whole[1], fitted)
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, LAST, ABOUT]
    same(whole[1], run(tmp_path))


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is a file"):
        run(tmp_path / "file")


def test_states_come_back_as_they_were(tmp_path):
    state = State(
        7,
        {"a": np.float32([[1, -0.0], [1e-42, 3]]), "b": np.zeros((0, 2), np.float32)},
        {"m": np.ones(3, np.float32), "step": np.float32([7])},
        {"queue": np.arange(4, dtype=np.int32)},
        {"step": [0, 1], "loss": [0.1, 1 / 3], "validation_step": [], "validation_loss": []},
        {"CPU": [2**32 - 1, 5]},
    )
    Checkpoints(tmp_path, {"what": "test"}).save(state)
    found, best = Checkpoints(tmp_path, {"what": "test"}).resume()
    assert best is None and found.history == state.history and found.counters == state.counters and found.step == 7
    assert all(type(step) is int for step in found.history["step"])
    for part in ("weights", "optimiser", "carried"):
        for name, values in getattr(state, part).items():
            assert getattr(found, part)[name].dtype == values.dtype
            np.testing.assert_array_equal(getattr(found, part)[name], values)
    assert json.loads((tmp_path / ABOUT).read_text())["format"] == checkpoint.FORMAT


def hostile_states():
    """Checkpoints whose hash fits what is in them, and that no training wrote."""
    sound = {
        "step": 3,
        "weights": {"a": np.ones((2, 3), np.float32)},
        "optimiser": {"m": np.ones(3, np.float32)},
        "history": {"step": [0, 1, 2], "loss": [1.0, 0.5, 0.2], "learning_rate": [0.1, 0.1, 0.1]},
        "counters": {"CPU": [1, 2]},
    }
    for step in (-1, 2**60, "3", None, True, [3], 1e300):
        yield f"step {step}", {**sound, "step": step}
    for counters in ([], {"CPU": 3}, {"CPU": [1]}, {"CPU": [-1, 2**40]}, {"CPU": ["a", "b"]}, None):
        yield f"counters {counters}", {**sound, "counters": counters}
    for value in (np.nan, np.inf):
        yield f"weight {value}", {**sound, "weights": {"a": np.full((2, 3), value, np.float32)}}
        yield f"moment {value}", {**sound, "optimiser": {"m": np.full(3, value, np.float32)}}
    for loss in ([1.0], [1.0] * 99, [[1.0]] * 3):
        yield f"loss {loss[:2]}", {**sound, "history": {**sound["history"], "loss": loss}}


@pytest.mark.parametrize(("name", "content"), list(hostile_states()), ids=lambda value: str(value)[:30])
def test_states_that_no_training_wrote_are_refused_by_name(tmp_path, name, content):
    Checkpoints(tmp_path, {"what": "test"})._write(LAST, State(**content))
    with pytest.raises(ValueError, match=rf"{LAST} is damaged .* delete .* to start again"):
        Checkpoints(tmp_path, {"what": "test"}).resume()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name on this system")
@pytest.mark.parametrize("name", [LAST, ABOUT])
def test_pipes_and_endless_files_are_refused(tmp_path, name):
    Checkpoints(tmp_path, {"what": "test"})
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="is a pipe"):
        Checkpoints(tmp_path, {"what": "test"}).resume()
