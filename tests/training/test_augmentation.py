from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from biosig.training.augmentation import (
    PRESETS,
    Augmentation,
    apply_changes,
    draw_changes,
    random_rotations,
    with_clock_of,
)

NOTHING = Augmentation(cut_out=0, magnitude_warp=0, noise=0, permutation=0, time_warp=0)


def windows(n=6, n_channels=3, n_samples=200, seed=0):
    return np.random.default_rng(seed).standard_normal((n, n_channels, n_samples)).astype(np.float32)


def test_same_generator_same_windows_for_any_number_of_threads(tmp_path):
    x = windows()
    stored = np.memmap(tmp_path / "x.f32", dtype=np.float32, mode="w+", shape=x.shape)
    stored[:] = x
    rows = np.array([5, 1, 1, 0, 3])
    always = Augmentation(
        cut_out=1, magnitude_warp=1, noise=1, permutation=1, time_warp=1, rotation=1, amplitude=1, shift=1
    )

    def run(source, n_jobs):
        draw = draw_changes(always, np.random.default_rng([1, 2]), len(rows), 3, 200)
        return apply_changes(source, rows, draw, n_jobs)

    first = run(x, 1)
    np.testing.assert_array_equal(first, run(x, 3))
    np.testing.assert_array_equal(first, run(stored, 2))
    assert not np.array_equal(first, apply_changes(x, rows, draw_changes(always, np.random.default_rng(9), 5, 3, 200)))


def test_odds_are_kept():
    draw = draw_changes(PRESETS["ppg"], np.random.default_rng(0), 4000, 2, 100)
    share = (draw.cut[:, 1] - draw.cut[:, 0]) / 100
    assert np.mean(share > 0) == pytest.approx(0.4, abs=0.03)
    assert share[share > 0].min() >= 0.4 and share.max() <= 0.6 and (draw.cut <= 100).all()
    assert np.mean((draw.speed != 1).any(axis=1)) == pytest.approx(0.15, abs=0.03)
    assert np.mean((draw.gain != 1).any(axis=(1, 2))) == pytest.approx(0.25, abs=0.03)
    assert np.mean(draw.noise_row >= 0) == pytest.approx(0.25, abs=0.03)
    assert len(draw.noise) == np.sum(draw.noise_row >= 0)
    assert (draw.shift == 0).all()


def test_without_odds_nothing_changes():
    x = windows()
    draw = draw_changes(NOTHING, np.random.default_rng(0), 6, 3, 200)
    np.testing.assert_array_equal(apply_changes(x, np.arange(6), draw), x)


def test_rotation_keeps_lengths_and_is_no_mirror():
    rotations = random_rotations(np.random.default_rng(0), 2000)
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), np.tile(np.eye(3), (2000, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    np.testing.assert_allclose(rotations.mean(axis=0), 0.0, atol=0.05)  # no preferred direction
    x = windows()
    draw = draw_changes(replace(NOTHING, rotation=1.0), np.random.default_rng(1), 6, 3, 200)
    turned = apply_changes(x, np.arange(6), draw)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(x, axis=1), rtol=1e-5)
    assert not np.allclose(turned, x)


def test_two_sensors_share_their_shift_alone():
    shifting = Augmentation(shift=1.0)
    one = draw_changes(shifting, np.random.default_rng(0), 8, 1, 300)
    two = draw_changes(shifting, np.random.default_rng(1), 8, 3, 300)
    assert not np.array_equal(one.shift, two.shift)
    joined = with_clock_of(two, one)
    np.testing.assert_array_equal(joined.shift, one.shift)
    np.testing.assert_array_equal(joined.mix, two.mix)
    assert (with_clock_of(two, None).shift == 0).all()  # the other sensor is not changed at all


def test_two_sensors_share_their_warp_where_moments_matter():
    warping = Augmentation(shift=1.0, time_warp=1.0)
    one, two = (draw_changes(warping, np.random.default_rng(seed), 8, 1, 300) for seed in (0, 1))
    np.testing.assert_array_equal(with_clock_of(two, one).speed, two.speed)
    np.testing.assert_array_equal(with_clock_of(two, one, warp=True).speed, one.speed)
    np.testing.assert_array_equal(with_clock_of(two, one, warp=True).shift, one.shift)
    still = with_clock_of(two, None, warp=True)
    assert (still.speed == 1).all() and (still.shift == 0).all()


def test_amplitude_stays_in_its_range():
    changing = replace(NOTHING, amplitude=1.0, amplitude_range=(0.5, 2.0))
    draw = draw_changes(changing, np.random.default_rng(0), 500, 1, 10)
    assert draw.mix.min() >= 0.5 and draw.mix.max() <= 2.0 and np.median(draw.mix) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cut_out": 1.5},
        {"noise": -0.1},
        {"cut_out_share": (0.6, 0.4)},
        {"cut_out_share": (0.5, 1.2)},
        {"amplitude_range": (0.0, 1.0)},
        {"time_sigma": -1.0},
        {"shift_share": 2.0},
        {"knots": 1},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation(**wrong)


def test_rotation_needs_three_axes():
    with pytest.raises(ValueError, match="2 channels"):
        draw_changes(PRESETS["accel"], np.random.default_rng(0), 4, 2, 100)
