import numpy as np
import pytest

from biosig.evaluation import feature_names, hand_crafted_features, log_spectrum

RATE = 64.0


def beating(rate_bpm, seed=0, n=3840, size=0.003):
    """A wrist that shakes at 8 Hz for a tenth of a second at each beat."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / RATE
    since = np.mod(t, 60 / rate_bpm)
    wave = size * np.sin(2 * np.pi * 8 * since) * np.exp(-since / 0.1)
    return (np.outer([0.6, 0.3, 0.7], wave) + 2e-4 * rng.normal(size=(3, n))).astype(np.float32)


def test_the_rate_and_the_bands_are_found():
    x = np.stack([beating(rate, seed) for seed, rate in enumerate((50, 72, 110))])
    found = hand_crafted_features(x, RATE)
    names = feature_names()
    assert found.shape == (3, len(names)) and len(set(names)) == len(names)
    column = lambda name: found[:, names.index(name)]
    assert column("envelope 4 to 14 Hz: rate") == pytest.approx([50, 72, 110], abs=1.5)
    assert column("envelope 4 to 14 Hz: autocorrelation rate")[1:] == pytest.approx([72, 110], abs=6)
    assert (column("x: log power 7 to 10 Hz") > column("x: log power 0.1 to 0.5 Hz") + 3).all()
    rms = np.log(x[:, 0].astype(float).std(axis=1))
    assert column("x: log sd") == pytest.approx(rms, abs=1e-6)


def test_band_powers_add_up_to_the_variance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 3840)).astype(np.float32)
    names = feature_names()
    parts = [i for i, name in enumerate(names) if name.startswith("y: log power")]
    shares = np.exp(hand_crafted_features(x, RATE)[:, parts]).sum(axis=1)
    assert shares == pytest.approx(x[:, 1].var(axis=1) * (20 - 0.1) / 32, rel=0.05)


def test_turning_the_sensor_leaves_the_envelopes_alone():
    x = beating(72)[np.newaxis]
    turned = x[:, [1, 2, 0]] * np.array([1, -1, 1])[:, np.newaxis]
    some = [i for i, name in enumerate(feature_names()) if name.startswith("envelope")]
    np.testing.assert_allclose(hand_crafted_features(x, RATE)[:, some], hand_crafted_features(turned, RATE)[:, some])
    assert log_spectrum(x, RATE) == pytest.approx(log_spectrum(turned, RATE))


@pytest.mark.parametrize("compute", [hand_crafted_features, log_spectrum])
def test_odd_windows(compute):
    x = np.stack([beating(60)] * 5)
    x[1] = np.nan
    x[2] = 0
    x[3, :, 100:400] = np.nan
    x[4] *= 1e6
    found = compute(x, RATE)
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2, 3, 4]]).all()
    one_by_one = np.concatenate([compute(x[i : i + 1], RATE) for i in range(5)])
    np.testing.assert_allclose(found, one_by_one, rtol=1e-9, atol=1e-9)
    assert compute(x[:0], RATE).shape == (0, found.shape[1])
    assert np.isfinite(compute(beating(60, n=640)[np.newaxis], 32.0)).all()
    with pytest.raises(ValueError, match="channels"):
        compute(x[:, :2], RATE)


def test_log_spectrum_has_its_peak_at_the_beat():
    found = log_spectrum(beating(90)[np.newaxis], RATE)[0]
    assert found.shape == (192,)
    slow = np.linspace(0.4, 4.0, 97)[found[96:].argmax()]
    assert slow == pytest.approx(1.5, abs=0.05)
