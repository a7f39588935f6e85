"""The encoders inside the package: found by name, without a network, and a start for another device."""

from __future__ import annotations

import numpy as np
import pytest

import biosig
from biosig.estimators import DistilledEncoder, MaskedAutoencoder
from biosig.estimators.pretrained import SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_found_by_name_with_card(name):
    encoder = biosig.load_encoder(name)
    assert encoder.config_["modality"] == name.split("-")[0]
    assert {"gate", "training_data", "library_version", "content_hash"} <= encoder.config_.keys()
    x = np.random.default_rng(0).standard_normal((3, encoder.config_["n_channels"], 3840)).astype(np.float32)
    x[2] = np.nan
    embedding = encoder.transform(0.01 * x)
    assert embedding.shape == (3, 192) and np.isfinite(embedding[:2]).all() and np.isnan(embedding[2]).all()


def test_folder_of_that_name_goes_first_and_unknown_names_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ppg-small").mkdir()
    with pytest.raises(ValueError, match="missing"):
        biosig.load_encoder("ppg-small")
    with pytest.raises(FileNotFoundError, match="'accel-small'"):
        biosig.load_encoder("accel-large")


def test_raw_session_in_three_lines(data_folder):
    encoder = biosig.load_encoder("accel-small")
    windows = biosig.segment(biosig.read(sorted((data_folder / "wesad_e4").glob("S*.zip"))[0]))
    embedding = encoder.transform(windows["accel"])
    assert embedding.dims == ("window", "feature")
    assert np.isfinite(embedding).all(axis=1).mean() > 0.9


def test_adapting_begins_from_the_weights_and_changes_them():
    rng = np.random.default_rng(1)
    accel = (0.01 * rng.standard_normal((6, 3, 3840))).astype(np.float32)
    ppg = rng.standard_normal((6, 1, 3840)).astype(np.float32)
    shipped = biosig.load_encoder("accel-small")
    student = DistilledEncoder("ppg-small", initial="accel-small", n_steps=0, batch_size=4, random_state=0)
    same = student.fit(accel, ppg)
    np.testing.assert_array_equal(same.transform(accel), shipped.transform(accel))
    assert "training_data" not in same.config_  # that was about the shipped weights alone
    adapted = DistilledEncoder("ppg-small", initial=shipped, n_steps=2, batch_size=4, random_state=0).fit(accel, ppg)
    assert np.abs(adapted.transform(accel) - shipped.transform(accel)).max() > 1e-4


def test_windows_must_be_those_the_encoder_takes():
    short = np.zeros((4, 3, 1920), np.float32)
    with pytest.raises(ValueError, match="initial is an encoder with n_samples 3840, the windows have 1920"):
        MaskedAutoencoder(modality="accel", initial="accel-small").fit(short)
    with pytest.raises(ValueError, match="modality"):
        MaskedAutoencoder(modality="ppg", initial="accel-small").fit(short)
    with pytest.raises(ValueError, match="initial is int"):
        MaskedAutoencoder(initial=3).fit(short)
