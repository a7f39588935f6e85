from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from biosig.estimators import DistilledEncoder
from biosig.evaluation.ablations import (
    ABLATIONS,
    AS_IS,
    Ablation,
    run_ablations,
    shorter,
    slower,
    stiller,
    without_axes,
)
from biosig.evaluation.contenders import ACCEL_MAE
from biosig.evaluation.store import Store
from biosig.training.augmentation import PRESETS
from tests.evaluation.test_run import BUDGET, LENGTH, RATE, cohort


def test_changes_of_the_cohort():
    data = cohort(n_people=3)
    assert (without_axes([2])(data).accel[:, 2] == 0).all() and data.accel[:, 2].any()
    slow = slower(16.0)(data)
    assert slow.accel.shape == data.accel.shape
    power = lambda x: np.abs(np.fft.rfft(x.accel - x.accel.mean(axis=2, keepdims=True), axis=2)) ** 2
    fast = np.fft.rfftfreq(data.accel.shape[2], 1 / RATE) > 9
    assert power(slow)[..., fast].sum() < 0.02 * power(data)[..., fast].sum()
    assert (stiller(0.02)(data).still == (data.table["motion"] <= 0.02)).all()
    short = shorter(8.0)(data)
    assert short.accel.shape[2] == short.ppg.shape[2] == 8 * RATE and short.length == 8
    np.testing.assert_array_equal(short.accel, data.accel[:, :, 128:384])
    assert (short.table["start"] == data.table["start"] + 4).all()
    with pytest.raises(ValueError, match="expected less"):
        shorter(2 * LENGTH)(data)


def test_the_table_of_changes_can_be_built():
    assert ABLATIONS[0].name == AS_IS and len({(one.group, one.name) for one in ABLATIONS}) == len(ABLATIONS)
    known = {field.name for field in fields(DistilledEncoder)}
    for one in ABLATIONS:
        assert set(one.settings) <= known
        changed = DistilledEncoder(None, random_state=0, **one.settings)._options("accel")
        if one.group == "augmentation" and one.name != "none":
            rates = [
                [getattr(setting, one.name.removeprefix("without ").replace(" ", "_")) for setting in settings.values()]
                for settings in (PRESETS, changed.augment)
            ]
            assert any(rates[0]) and not any(rates[1]), one.name
        before = {other.name for other in ABLATIONS[: ABLATIONS.index(one)]}
        assert one.name == AS_IS or set(one.references) <= before, f"{one.name} is compared with what comes later"
    assert len({one.group for one in ABLATIONS}) >= 10


def test_each_change_is_compared_with_the_recipe_and_a_failure_is_a_row(tmp_path):
    data = cohort(n_people=8)
    plain = {"front_end": "samples"}
    changes = [
        Ablation("recipe", AS_IS, plain),
        Ablation("temperature", "same", plain),
        Ablation("without a teacher", ACCEL_MAE, plain, alone=ACCEL_MAE),
        Ablation("size", "micro", {**plain, "size": "micro"}, references=(AS_IS, ACCEL_MAE)),
        Ablation("window", "too long", plain, change=shorter(100.0)),
        Ablation("gate", "tight", plain, change=stiller(0.02), paired=False),
    ]
    split = np.where(data.participants < "p03", 0, -1)
    store = Store(tmp_path, data="x")
    table = run_ablations(data, split, store, budget=BUDGET, ablations=changes, n_boot=50)
    rate = table[table["target"] == "heart_rate"].set_index("change")
    assert rate.loc[AS_IS, "mae"] > 0 and np.isnan(rate.loc[AS_IS, "relative"]) and rate.loc[AS_IS, "n_windows"] == 15
    small = rate.loc["micro"].set_index("reference")
    own = {name: rate.loc[name, "mae"] for name in (AS_IS, ACCEL_MAE)}
    for reference in (AS_IS, ACCEL_MAE):
        gap = small.loc[reference]
        assert gap["relative"] == pytest.approx(gap["mae"] / own[reference] - 1)
        assert gap["relative_low"] <= gap["relative"] <= gap["relative_high"]
    assert rate.loc["same", "relative"] == pytest.approx(0, abs=1e-6)
    assert "expected less" in rate.loc["too long", "reason"] and np.isnan(rate.loc["too long", "mae"])
    assert 0 < rate.loc["tight", "n_windows"] < 15 and np.isnan(rate.loc["tight", "relative"])
