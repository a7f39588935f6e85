from __future__ import annotations

import copy
import json

import joblib
import numpy as np
import pytest
import xarray as xr
from sklearn.base import clone
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import biosig
from biosig.estimators import (
    DistilledEncoder,
    GravityRemover,
    MaskedAutoencoder,
    Resampler,
    SupervisedEncoder,
    WindowNormalizer,
)

RATE, SAMPLES = 64.0, 1280  # 20 s
SMALL = {"n_steps": 3, "batch_size": 8, "random_state": 0}


@pytest.fixture(scope="module")
def paired():
    """Simultaneous windows: pulses in the PPG, beat-locked bursts in the acceleration, four people."""
    rng = np.random.default_rng(0)
    n, t = 24, np.arange(SAMPLES) / RATE
    rate = rng.uniform(50, 110, n)
    phase = 2 * np.pi * t * (rate / 60)[:, np.newaxis]
    ppg = np.sin(phase)[:, np.newaxis].astype(np.float32)
    burst = np.maximum(np.sin(phase), 0) ** 4 * np.sin(2 * np.pi * 8 * t)
    accel = 0.004 * burst[:, np.newaxis] * rng.normal(size=(n, 3, 1)) + rng.normal(0, 0.0005, (n, 3, SAMPLES))
    return accel.astype(np.float32), ppg, rate, np.repeat(["a", "b", "c", "d"], n // 4)


@pytest.fixture(scope="module")
def teacher(paired):
    return MaskedAutoencoder(RATE, **SMALL).fit(paired[1], groups=paired[3])


@pytest.fixture(scope="module")
def student(paired, teacher):
    return DistilledEncoder(teacher, RATE, **SMALL).fit(paired[0], paired[1], groups=paired[3])


@pytest.fixture(scope="module")
def saved(student, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "student"
    student.save(folder)
    return folder


def test_the_pipeline_of_the_readme(paired, saved):
    accel, _, rate, people = paired
    raw = biosig.resample(accel, target_rate=100, sampling_rate=RATE) + np.float32([[0.0], [0.6], [0.8]])
    pipeline = make_pipeline(
        Resampler(100, RATE), GravityRemover(RATE), WindowNormalizer(), biosig.load_encoder(saved), StandardScaler(),
        RidgeCV(),
    )  # fmt: skip
    scores = cross_val_score(pipeline, raw, rate, groups=people, cv=GroupKFold(4), error_score="raise")
    assert scores.shape == (4,) and np.isfinite(scores).all()


def test_what_is_hidden_and_who_tells_it(paired):
    masked = MaskedAutoencoder(RATE, patch=64, decoder_width=8, decoder_depth=1, **SMALL).fit(paired[1])
    weights = masked.state_.weights
    assert weights["net.decoder.in_weight"].shape[1] == 8 and "net.decoder.blocks.0.filter_weight" in weights
    assert masked.history_["loss"] != MaskedAutoencoder(RATE, **SMALL).fit(paired[1]).history_["loss"]
    with pytest.raises(ValueError, match="patch is 65 samples"):
        clone(masked).set_params(patch=65).fit(paired[1])


def test_embeddings_and_their_names(student, paired):
    z = student.transform(paired[0])
    assert z.shape == (len(paired[0]), student.config_["embedding"]) and z.dtype == np.float32
    assert np.isfinite(z).all() and z.std(axis=0).max() > 0
    names = student.get_feature_names_out()
    assert len(names) == z.shape[1] and names[0] == "distilledencoder0"


def test_pandas_out_of_a_pipeline(saved, student, paired):
    pipeline = make_pipeline(GravityRemover(RATE), biosig.load_encoder(saved)).set_output(transform="pandas")
    frame = pipeline.fit(paired[0]).transform(paired[0])
    assert list(frame.columns) == [f"pretrainedencoder{i}" for i in range(student.config_["embedding"])]
    assert list(pipeline.get_feature_names_out()) == list(frame.columns)


def test_xarray_in_xarray_out(student, paired):
    array = xr.DataArray(
        paired[0], dims=("window", "axis", "sample"), coords={"participant": ("window", paired[3]), "axis": list("xyz")}
    )
    out = student.transform(array)
    assert out.dims == ("window", "feature")
    np.testing.assert_array_equal(out["participant"], paired[3])
    np.testing.assert_array_equal(out, student.transform(paired[0]))


def test_same_seed_same_weights(paired, teacher):
    again = MaskedAutoencoder(RATE, **SMALL).fit(paired[1], groups=paired[3])
    for name, weights in teacher.weights_.items():
        np.testing.assert_array_equal(weights, again.weights_[name])
    other = MaskedAutoencoder(RATE, **{**SMALL, "random_state": 1}).fit(paired[1], groups=paired[3])
    assert any((weights != other.weights_[name]).any() for name, weights in teacher.weights_.items())


def test_clone_keeps_parameters_and_forgets_weights(teacher):
    fresh = clone(teacher)
    assert fresh.get_params() == teacher.get_params()
    assert not hasattr(fresh, "weights_")


@pytest.mark.parametrize("copier", ["joblib", "deepcopy"])
def test_fitted_encoders_can_be_stored_and_copied(student, paired, copier, tmp_path):
    if copier == "joblib":
        joblib.dump(student, tmp_path / "student.joblib")
        other = joblib.load(tmp_path / "student.joblib")
    else:
        other = copy.deepcopy(student)
    np.testing.assert_array_equal(other.transform(paired[0]), student.transform(paired[0]))
    np.testing.assert_array_equal(other.project(paired[0]), student.project(paired[0]))


def test_teacher_stays_as_it_was(paired, teacher):
    before = {name: weights.copy() for name, weights in teacher.weights_.items()}
    DistilledEncoder(teacher, RATE, **SMALL).fit(paired[0], paired[1])
    for name, weights in before.items():
        np.testing.assert_array_equal(weights, teacher.weights_[name])


def test_a_joint_teacher_is_a_copy_that_projects_and_goes_on(paired, teacher):
    before = {name: weights.copy() for name, weights in teacher.weights_.items()}
    student = DistilledEncoder(teacher, RATE, joint=True, **SMALL).fit(paired[0], paired[1])
    for name, weights in before.items():
        np.testing.assert_array_equal(weights, teacher.weights_[name])
    learnt = {name: weights.copy() for name, weights in student.teacher_.weights_.items()}
    assert any((learnt[name] != before[name]).any() for name in before)
    assert student.project_ppg(paired[1]).shape == student.project(paired[0]).shape
    student.partial_fit(paired[0], paired[1])
    assert any((student.teacher_.weights_[name] != learnt[name]).any() for name in before)
    assert set(student.heads_) == {"student", "teacher", "student_in_time", "teacher_in_time"}


def test_unfitted_teacher_is_fitted_on_the_ppg_at_hand(paired):
    student = DistilledEncoder(MaskedAutoencoder(RATE, **SMALL), RATE, **SMALL).fit(paired[0], paired[1])
    assert student.teacher_.config_["modality"] == "ppg" and not hasattr(student.teacher, "weights_")


def test_teacher_from_a_folder(paired, teacher, tmp_path):
    teacher.save(tmp_path / "teacher")
    from_folder = DistilledEncoder(tmp_path / "teacher", RATE, **SMALL).fit(paired[0], paired[1])
    from_memory = DistilledEncoder(teacher, RATE, **SMALL).fit(paired[0], paired[1])
    np.testing.assert_array_equal(from_folder.transform(paired[0]), from_memory.transform(paired[0]))


def test_teacher_must_be_a_ppg_encoder(paired, saved):
    with pytest.raises(ValueError, match="teacher is int"):
        DistilledEncoder(3, **SMALL).fit(paired[0], paired[1])
    with pytest.raises(ValueError, match="trained on 'accel'"):
        DistilledEncoder(saved, **SMALL).fit(paired[0], paired[1])


def test_shared_space_has_unit_rows(student, paired):
    for rows in (student.project(paired[0]), student.project_ppg(paired[1])):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert student.project(paired[0]).shape == student.project_ppg(paired[1]).shape


def test_space_in_time_has_unit_rows_and_needs_to_have_been_trained(student, teacher, paired):
    moments = [student.project(paired[0], in_time=True), student.project_ppg(paired[1], in_time=True)]
    for rows in moments:
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert moments[0].shape == moments[1].shape != student.project(paired[0]).shape
    with pytest.raises(ValueError, match="windows of"):
        student.project(paired[0][:, :, :-1], in_time=True)
    for settings in ({"time_weight": 0.0}, {"objective": "l2"}):
        other = DistilledEncoder(teacher, RATE, **settings, **SMALL).fit(paired[0], paired[1])
        with pytest.raises(ValueError, match="give a time_weight"):
            other.project(paired[0], in_time=True)


@pytest.mark.parametrize("one", [True, False])
def test_supervised_predicts_in_the_units_of_its_targets(paired, one):
    y = paired[2] if one else np.stack([paired[2], np.full(len(paired[2]), 40.0)], axis=1)
    model = SupervisedEncoder(RATE, **SMALL).fit(paired[0], y, groups=paired[3])
    predicted = model.predict(paired[0])
    assert predicted.shape == y.shape
    assert (np.abs(predicted.reshape(len(y), -1)[:, 0] - 80) < 60).all()


def test_weights_folder_holds_everything_and_the_card(saved, student, paired):
    assert {path.name for path in saved.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    config = json.loads((saved / "config.json").read_text())
    assert config["sampling_rate"] == RATE and config["n_samples"] == SAMPLES
    card = (saved / "README.md").read_text()
    assert "Not a medical device" in card and "20 s at 64 Hz" in card
    np.testing.assert_array_equal(biosig.load_encoder(saved).transform(paired[0]), student.transform(paired[0]))


class TestBadInput:
    def test_no_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no encoder folder"):
            biosig.load_encoder(tmp_path / "nothing")

    @pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
    def test_a_missing_or_altered_file_is_named(self, saved, tmp_path, name):
        import shutil

        folder = tmp_path / "copy"
        shutil.copytree(saved, folder)
        content = bytearray((folder / name).read_bytes())
        (folder / name).unlink()
        with pytest.raises((ValueError, FileNotFoundError), match=name):
            biosig.load_encoder(folder)
        content[len(content) * 2 // 3] ^= 1
        (folder / name).write_bytes(bytes(content))
        with pytest.raises(ValueError, match=rf"{name}|content_hash|config\.json"):
            biosig.load_encoder(folder)

    def test_another_window_length_or_shape(self, student, paired):
        with pytest.raises(ValueError, match=r"640 samples.*takes 1280, that is 20 s at 64 Hz"):
            student.transform(paired[0][:, :, :640])
        with pytest.raises(ValueError, match="1 channels"):
            student.transform(paired[0][:, :1])
        with pytest.raises(ValueError, match=r"transpose\(0, 2, 1\)"):
            student.transform(paired[0].transpose(0, 2, 1))

    def test_unpaired_windows(self, paired, teacher):
        with pytest.raises(ValueError, match=r"24.*23|23.*24"):
            DistilledEncoder(teacher, RATE, **SMALL).fit(paired[0], paired[1][:-1])

    def test_groups_of_another_length(self, paired):
        with pytest.raises(ValueError, match="one participant label per window"):
            MaskedAutoencoder(RATE, **SMALL).fit(paired[1], groups=paired[3][:-1])

    def test_unknown_modality(self, paired):
        with pytest.raises(ValueError, match="modality is 'ecg'"):
            MaskedAutoencoder(RATE, modality="ecg", **SMALL).fit(paired[1])

    def test_windows_without_data_give_nan_and_spare_the_others(self, student, paired):
        accel = paired[0].copy()
        accel[1] = np.nan
        accel[2] = 0.5
        z = student.transform(accel)
        assert np.isnan(z[1]).all() and np.isfinite(z[2]).all()
        np.testing.assert_allclose(z[3:], student.transform(paired[0])[3:], atol=1e-5)
