"""A tiny encoder on a toy heart: sines in the PPG, the same sines, faint and turned, in the acceleration."""

from __future__ import annotations

import json

import numpy as np
import pytest

from biosig.nets import build_encoder, set_weights
from biosig.nets.backend import from_numpy, to_numpy
from biosig.training import (
    Augmentation,
    Fitted,
    TrainingOptions,
    embed,
    make_config,
    project,
    project_in_time,
    random_encoder,
    train_distilled,
    train_masked_autoencoder,
    train_supervised,
)
from biosig.training._steps import draw_for, seen_by_net
from biosig.training.frontends import prepare
from tests.naive import objectives as naive

RATE, LENGTH = 16.0, 128
TINY = {"widths": [8, 16], "depths": [1, 1]}


def toy(n, seed):
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.6, 2.4, n)
    angle = 2 * np.pi * frequency[:, None] * np.arange(LENGTH) / RATE + rng.uniform(0, 2 * np.pi, (n, 1))
    ppg = np.sin(angle)[:, None] + 0.1 * rng.standard_normal((n, 1, LENGTH))
    axes = rng.standard_normal((n, 3, 1))
    accel = 0.01 * (axes * np.cos(angle)[:, None] + 0.2 * rng.standard_normal((n, 3, LENGTH)))
    return accel.astype(np.float32), ppg.astype(np.float32), frequency


def config(modality="ppg", **changed):
    settings = {"n_channels": 1 if modality == "ppg" else 3, "n_samples": LENGTH, "sampling_rate": RATE, **TINY}
    return make_config(modality=modality, **settings | changed)


def options(**changed):
    plain = {"steps": 120, "batch_size": 32, "learning_rate": 3e-3, "augment": False, "n_jobs": 1, "progress": False}
    return TrainingOptions(**plain | changed)


def explained(train_x, train_y, test_x, test_y):
    """Share of variance of held-out targets that a ridge on embeddings explains."""
    mean, scale = train_x.mean(0), train_x.std(0) + 1e-9
    a, b = (train_x - mean) / scale, (test_x - mean) / scale
    weight = np.linalg.solve(a.T @ a + 1.0 * np.eye(a.shape[1]), a.T @ (train_y - train_y.mean()))
    return 1 - np.mean((b @ weight + train_y.mean() - test_y) ** 2) / np.var(test_y)


@pytest.fixture(scope="module")
def data():
    return toy(256, 0), toy(128, 1)


@pytest.fixture(scope="module")
def teacher(data):
    (_, ppg, _), _ = data
    return train_masked_autoencoder(ppg, config(), options=options())


@pytest.fixture(scope="module")
def student(data, teacher):
    (accel, ppg, _), _ = data
    groups, starts = np.arange(256) // 16, np.tile(np.arange(16) * 4.0, 16)
    longer = options(steps=240, augment=True)
    return train_distilled(accel, ppg, config("accel"), teacher, options=longer, groups=groups, starts=starts)


def test_masked_autoencoder_learns(data, teacher):
    (_, ppg, frequency), (_, new, expected) = data
    loss = teacher.history["loss"]
    assert np.mean(loss[-10:]) < 0.9 < np.mean(loss[:5])  # 1 is the error of telling the mean of a z-scored window
    made = [embed(x, teacher.config, teacher.weights) for x in (ppg, new)]
    assert explained(made[0], frequency, made[1], expected) > 0.8


def test_student_becomes_predictive_and_meets_its_teacher(data, teacher, student):
    (accel, _, frequency), (new_accel, new_ppg, expected) = data
    made = [embed(x, student.config, student.weights) for x in (accel, new_accel)]
    untrained = [embed(x, student.config, random_encoder(student.config, 0).weights) for x in (accel, new_accel)]
    learnt = explained(made[0], frequency, made[1], expected)
    assert learnt > 0.75 and learnt > explained(untrained[0], frequency, untrained[1], expected) + 0.2
    queries = project(made[1], student.heads["student"])
    gallery = project(embed(new_ppg, teacher.config, teacher.weights), student.heads["teacher"])
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1.0, rtol=1e-5)
    assert mean_rank(queries, gallery) < 20  # of 128; chance is 63.5


def mean_rank(queries, gallery):
    return ((queries @ gallery.T) > np.sum(queries * gallery, axis=1, keepdims=True)).sum(axis=1).mean()


def test_in_time_the_simultaneous_window_is_found_even_among_equal_rates(teacher, student):
    n = 64
    rng = np.random.default_rng(5)
    angle = 2 * np.pi * 1.2 * np.arange(LENGTH) / RATE + rng.uniform(0, 2 * np.pi, (n, 1))
    ppg = (np.sin(angle)[:, None] + 0.1 * rng.standard_normal((n, 1, LENGTH))).astype(np.float32)
    accel = 0.01 * (rng.standard_normal((n, 3, 1)) * np.cos(angle)[:, None]).astype(np.float32)
    queries = project_in_time(accel, student.config, student.weights, student.heads["student_in_time"])
    gallery = project_in_time(ppg, teacher.config, teacher.weights, student.heads["teacher_in_time"])
    pooled = project(embed(accel, student.config, student.weights), student.heads["student"])
    other = project(embed(ppg, teacher.config, teacher.weights), student.heads["teacher"])
    assert mean_rank(queries, gallery) < 0.5 * mean_rank(pooled, other)


def test_projection_in_time_is_each_stretch_through_the_head(data, student):
    (accel, _, _), _ = data
    x = accel[:5].copy()
    x[3] = np.nan
    head = student.heads["student_in_time"]
    net = build_encoder(student.config["encoder"], 0)
    set_weights(net, student.weights)
    tokens = to_numpy(net.tokens(from_numpy(prepare(np.nan_to_num(x), student.config)[0])))
    expected = [naive.gelu_head(row.reshape(-1, len(head["in_weight"])), head).ravel() for row in tokens]
    expected = np.stack([row / np.linalg.norm(row) for row in expected])
    expected[3] = np.nan
    for batch_size in (2, 64):
        found = project_in_time(x, student.config, student.weights, head, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_projection_is_the_head_that_was_trained(student):
    x = np.random.default_rng(0).standard_normal((5, 32)).astype(np.float32)
    x[3] = np.nan
    for side in ("student", "teacher"):
        head = student.heads[side]
        centred = (x - head["mean"]) / head["scale"] if side == "teacher" else x
        expected = naive.gelu_head(centred, head)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(project(x, head), expected, rtol=1e-3, atol=1e-5)


def test_teacher_is_not_changed(data, teacher):
    (accel, ppg, _), _ = data
    before = {name: value.copy() for name, value in teacher.weights.items()}
    for objective in ("l2", "cosine"):
        fitted = train_distilled(accel, ppg, config("accel"), teacher, options=options(steps=40), objective=objective)
        assert np.mean(fitted.history["loss"][-5:]) < 0.9 * np.mean(fitted.history["loss"][:3])
        embedding = embed(ppg, teacher.config, teacher.weights)
        assert project(embedding, fitted.heads["teacher"]).shape == (256, 32)
    for name, value in teacher.weights.items():
        np.testing.assert_array_equal(value, before[name])


def test_supervised_predicts_in_the_units_given(data):
    (accel, _, frequency), (new, _, expected) = data
    y = np.stack([60 * frequency, np.full(256, 5.0), np.full(256, np.nan)], axis=1)
    y[::5, 0] = np.nan
    fitted = train_supervised(accel, y, config("accel"), options=options(steps=200))
    predicted = fitted.predict(new)
    assert predicted.shape == (128, 3) and predicted.dtype == np.float32
    error = np.mean(np.abs(predicted[:, 0] - 60 * expected))
    assert error < 0.4 * np.mean(np.abs(60 * expected - np.mean(60 * expected)))
    np.testing.assert_allclose(predicted[:, 1], 5.0, atol=0.5)
    assert np.isnan(predicted[:, 2]).all()


def test_same_seed_same_weights_other_seed_others(data, teacher):
    (accel, ppg, _), _ = data

    def run(seed):
        return train_distilled(
            accel, ppg, config("accel"), teacher, options=options(steps=6, augment=True, random_state=seed)
        ).weights

    one, two, other = run(3), run(3), run(4)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_batches_do_not_depend_on_threads(data):
    (accel, _, _), _ = data
    chosen = np.arange(0, 60, 3)
    for augment in (False, True, Augmentation(shift=1.0), {"accel": Augmentation(rotation=1.0)}, {}):
        draw = draw_for(config("accel"), options(augment=augment), 7, len(chosen))
        assert (draw is None) == (augment in (False, {}))
        alone = seen_by_net(accel, chosen, config("accel"), draw, 1)
        again = draw_for(config("accel"), options(augment=augment, n_jobs=3), 7, len(chosen))
        np.testing.assert_array_equal(alone, seen_by_net(accel, chosen, config("accel"), again, 3))


def test_embedding_does_not_depend_on_the_batch(data, teacher):
    _, (_, ppg, _) = data
    whole = embed(ppg[:21], teacher.config, teacher.weights, batch_size=8)
    np.testing.assert_allclose(embed(ppg[5:9], teacher.config, teacher.weights, batch_size=8), whole[5:9], atol=1e-5)
    np.testing.assert_allclose(embed(ppg[:21], teacher.config, teacher.weights, batch_size=64), whole, atol=1e-4)
    assert whole.dtype == np.float32 and embed(ppg[:0], teacher.config, teacher.weights).shape == (0, 32)


def test_embedding_uses_the_weights_it_is_given(data, teacher):
    _, (_, ppg, _) = data
    other = random_encoder(config(), 1)
    first = embed(ppg, teacher.config, teacher.weights)
    second = embed(ppg, other.config, other.weights)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(embed(ppg, teacher.config, teacher.weights), first)
    with pytest.raises(ValueError, match="missing"):
        embed(ppg, other.config, {name: value for name, value in other.weights.items() if "stem" not in name})


def test_embedding_survives_storage(data, teacher, tmp_path):
    _, (_, ppg, _) = data
    stored = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=ppg.shape)
    stored[:] = ppg
    config_again = json.loads(json.dumps(teacher.config))
    np.testing.assert_array_equal(
        embed(np.load(tmp_path / "x.npy", mmap_mode="r"), config_again, teacher.weights),
        embed(ppg, teacher.config, teacher.weights),
    )


def test_hopeless_windows_give_nan_rows_and_do_not_disturb_the_others(data, teacher):
    _, (_, ppg, _) = data
    broken = ppg[:6].copy()
    broken[1], broken[3], broken[4, 0, 40:80] = np.nan, 0.7, np.nan
    made = embed(broken, teacher.config, teacher.weights)
    assert np.isnan(made[1]).all() and np.isfinite(made[[0, 2, 3, 4, 5]]).all()
    np.testing.assert_array_equal(made[[0, 2, 5]], embed(ppg[:6], teacher.config, teacher.weights)[[0, 2, 5]])


def test_hopeless_windows_are_left_out_of_training(data, teacher):
    (accel, ppg, frequency), _ = data
    accel, ppg, y = accel[:12].copy(), ppg[:12].copy(), frequency[:12].copy()
    accel[0], ppg[1], y[2], accel[3] = np.nan, np.nan, np.nan, 0.0
    short = options(steps=3, augment=True)
    assert train_masked_autoencoder(ppg, config(), options=short).history["batch_size"] == 11
    distilled = train_distilled(accel, ppg, config("accel"), teacher, options=short)
    assert distilled.history["batch_size"] == 10
    y[-1] = np.nan
    supervised = train_supervised(accel, y, config("accel"), options=short, groups=np.arange(12) // 3)
    assert supervised.history["batch_size"] == 9
    for fitted in (distilled, supervised):
        assert np.isfinite(fitted.history["loss"]).all()
        assert all(np.isfinite(value).all() for value in fitted.weights.values())


def test_no_steps_leave_a_random_encoder(data):
    (_, ppg, _), _ = data
    fitted = train_masked_autoencoder(ppg, config(), options=options(steps=0, random_state=5))
    for name, value in random_encoder(config(), 5).weights.items():
        np.testing.assert_array_equal(fitted.weights[name], value)


def test_transformer_on_acceleration(data):
    (accel, _, _), _ = data
    tiny = {"width": 16, "depth": 1, "n_heads": 2, "patch": 16}
    made = make_config(
        modality="accel", n_channels=3, n_samples=LENGTH, sampling_rate=RATE, architecture="transformer", **tiny
    )
    fitted = train_masked_autoencoder(accel, made, options=options(steps=5, augment=True), mask_ratio=0.5)
    assert embed(accel[:3], fitted.config, fitted.weights, batch_size=4).shape == (3, 16)


def test_longer_patches_and_other_decoders(data, tmp_path):
    (_, ppg, _), _ = data
    made = config(stride=4)  # two stages: a token stands for 8 samples
    plan = options(steps=3, checkpoint=tmp_path)

    def run(**asked):
        return train_masked_autoencoder(ppg, made, options=plan, mask_ratio=0.5, **asked)

    asked = {"patch": 32, "decoder_width": 12, "decoder_depth": 1}
    fitted = run(**asked)
    shapes = {name: values.shape for name, values in fitted.state.weights.items()}
    assert shapes["net.decoder.in_weight"] == (16, 12) and shapes["net.decoder.weight"] == (12, 8)
    assert sum("decoder.blocks" in name and "filter_weight" in name for name in shapes) == 1
    assert not any("decoder" in name for name in fitted.weights)
    again = run(**asked)
    assert again.history["loss"] == fitted.history["loss"]
    for name, other in (("patch", None), ("decoder_width", 16), ("decoder_depth", 2)):
        with pytest.raises(ValueError, match=rf"{name} is {asked[name]} there and {other} here"):
            run(**{**asked, name: other})
    assert train_masked_autoencoder(ppg, made, options=options(steps=3)).history["loss"] != fitted.history["loss"]
    with pytest.raises(ValueError, match="patch is 12 samples; expected a multiple of the 8"):
        train_masked_autoencoder(ppg, made, options=options(steps=3), patch=12)


def test_bad_input_is_refused_with_what_was_given(data, teacher):
    (accel, ppg, frequency), _ = data
    short = options(steps=1)
    with pytest.raises(ValueError, match=r"\(256, 3, 128\) and ppg \(255, 1, 128\)"):
        train_distilled(accel, ppg[:255], config("accel"), teacher, options=short)
    other = Fitted(config(sampling_rate=32.0), teacher.weights, {})
    with pytest.raises(ValueError, match="sampling_rate 32"):
        train_distilled(accel, ppg, config("accel"), other, options=short)
    other = Fitted(config(n_samples=64), teacher.weights, {})
    with pytest.raises(ValueError, match="n_samples 64"):
        train_distilled(accel, ppg, config("accel"), other, options=short)
    with pytest.raises(ValueError, match="'l1'"):
        train_distilled(accel, ppg, config("accel"), teacher, options=short, objective="l1")
    with pytest.raises(ValueError, match="temperature"):
        train_distilled(accel, ppg, config("accel"), teacher, options=short, temperature=0.0)
    with pytest.raises(ValueError, match="starts"):
        train_distilled(accel, ppg, config("accel"), teacher, options=short, starts=np.zeros(3))
    with pytest.raises(ValueError, match="groups"):
        train_masked_autoencoder(ppg, config(), options=short, groups=np.zeros(4))
    with pytest.raises(ValueError, match="1 of 1 windows"):
        train_masked_autoencoder(ppg[:1], config(), options=short)
    with pytest.raises(ValueError, match="0 of 256 windows"):
        train_supervised(accel, np.full(256, np.nan), config("accel"), options=short)
    with pytest.raises(ValueError, match=r"\(256, n_targets\)"):
        train_supervised(accel, frequency[:9], config("accel"), options=short)
    with pytest.raises(ValueError, match="not trained on targets"):
        teacher.predict(ppg)
