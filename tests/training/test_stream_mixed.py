"""Real recordings mixed into a stream: the fraction stated, each window as often as the others, nobody torn apart."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from biosig.training.mixing import FIRST, Mixed
from biosig.training.streamed import StreamMaterial
from tests.training.streamed import config, contrastive, masked, options, stream, supervised


def recordings(n=30, n_samples=128, **changed):
    """Windows of three participants with 15, 10 and 5; the value of each sample is the number of the window."""
    number = np.arange(n, dtype=np.float32)[:, None, None]
    windows = {
        "accel": np.broadcast_to(number, (n, 3, n_samples)).copy(),
        "ppg": np.broadcast_to(number, (n, 1, n_samples)).copy(),
        "participant": np.repeat(["a", "b", "c"], [15, 10, 5]),
        "start": 8.0 * np.arange(n),
    }
    return windows | changed


def test_the_fraction_is_kept_in_every_block_and_real_windows_go_round():
    mix = recordings()
    mix["ppg"][4] = np.nan
    given = stream(n_workers=0, mix=mix, mix_fraction=0.25, buffer=120, uses=3)
    counts = Counter()
    with StreamMaterial(given, {"x": config()}, options()) as material:
        drawn = material.draw(material._options, together=2, in_pairs=False, recent=0)
        material.begin(0, {})
        for step in range(5 + 10 + 15 + 15):  # rounds 0 to 3, each window of blocks 0 and 1 three times
            rows = drawn.rows_of(step)
            people = material.groups[rows]
            for row, window in zip(rows[people >= FIRST], material.signals["x"][rows[people >= FIRST]], strict=True):
                assert (window == window[0, 0]).all()
                counts[int(row), int(window[0, 0])] += 1
                assert material.starts[np.array([row])][0] == 8.0 * window[0, 0]
        for block in range(2):
            own = {key: n for key, n in counts.items() if key[0] // 40 == block}
            assert len(own) == 10 and set(own.values()) == {3}
        known = np.isfinite(material.targets(rows)).any(axis=1)
        assert (known == (people < FIRST)).all() and 0 < known.sum() < len(rows)
    assert all(window != 4 for _, window in counts)  # it holds no data
    assert len({window for _, window in counts}) == 29  # all the others came by


def test_an_epoch_takes_every_window_once_and_participants_stay_together():
    mixed = Mixed(recordings(), {"accel": (3, 128), "ppg": (1, 128)}, 16.0, 3, 1)
    for epoch in range(3):
        rows = mixed.rows(30 * epoch, 30 * (epoch + 1))
        assert sorted(rows) == list(range(30))
        assert (np.diff(mixed.participant[rows]) != 0).sum() == 2
    np.testing.assert_array_equal(np.concatenate([mixed.rows(0, 37), mixed.rows(37, 80)]), mixed.rows(0, 80))
    paired = Mixed(recordings(), {"ppg": (1, 128)}, 16.0, 3, 2).rows(0, 28)
    assert max(Counter(paired.tolist()).values()) == 1
    people = recordings()["participant"][paired].reshape(-1, 2)
    assert (people[:, 0] == people[:, 1]).all()


@pytest.mark.parametrize("train", [masked, contrastive, supervised])
def test_trainings_take_mixed_windows_on_disk_and_repeat(train, tmp_path):
    mix = recordings()
    rng = np.random.default_rng(0)
    for name in ("accel", "ppg"):
        path = tmp_path / f"{name}.npy"
        np.save(path, rng.normal(size=mix[name].shape))
        mix[name] = np.load(path, mmap_mode="r")
    given = stream(n_workers=0, mix=[mix], mix_fraction=0.3, buffer=72)
    one, other = train(given), train(given)
    for name, values in one.weights.items():
        np.testing.assert_array_equal(values, other.weights[name])
    plain = train(stream(n_workers=0, buffer=72))
    assert one.history["loss"] != plain.history["loss"]


def test_other_windows_to_mix_in_are_another_training(tmp_path):
    masked(stream(n_workers=0, mix=recordings(), mix_fraction=0.3), checkpoint=tmp_path, steps=2)
    other = recordings(start=np.arange(30.0))
    with pytest.raises(ValueError, match=r"data\.mixed_in is"):
        masked(stream(n_workers=0, mix=other, mix_fraction=0.3), checkpoint=tmp_path, steps=2)


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"accel": np.zeros((2, 3, 128))}, "windows to be mixed in have no ppg and no participant and no start"),
        (recordings(n_samples=100), r"have ppg of shape \(30, 1, 100\); the stream has \(1, 128\) at 16 Hz"),
        (recordings(ppg=np.full((30, 1, 128), np.nan)), "of 30 windows to be mixed in, none can be used"),
    ],
)
def test_windows_that_cannot_be_mixed_in(mix, message):
    with pytest.raises(ValueError, match=message):
        masked(stream(n_workers=0, mix=mix, mix_fraction=0.5))
