"""The whole comparison on a made-up cohort with encoders that cost nothing: what is kept, refused, and marked."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from biosig.evaluation import Contender, Estimator, as_json, as_tables, hand_crafted_features
from biosig.evaluation.cells import Split
from biosig.evaluation.cohort import Cohort, with_labels
from biosig.evaluation.contenders import (
    HAND_CRAFTED,
    MOTION,
    SLOW_STUDENT,
    STUDENT,
    TEACHER,
    ByHand,
    WristRate,
    in_time,
    line_up,
    members_by_family,
)
from biosig.evaluation.protocol import Budget
from biosig.evaluation.run import compare_contenders
from biosig.evaluation.store import Store
from biosig.signals import Gate

RATE, LENGTH = 32.0, 16.0
BUDGET = Budget(n_steps=1, batch_size=4)


def cohort(n_people=24, n_windows=5, seed=0):
    """Wrists that shake at each beat, PPG that pulses, targets that are the truth."""
    rng = np.random.default_rng(seed)
    n = n_people * n_windows
    groups = np.repeat([f"p{i:02d}" for i in range(n_people)], n_windows)
    rate = np.repeat(rng.normal(70, 10, n_people), n_windows) + rng.normal(0, 3, n)
    t = np.arange(int(RATE * LENGTH)) / RATE
    since = np.mod(t - rng.uniform(0, 1, (n, 1)), 60 / rate[:, np.newaxis])
    shake = 0.003 * np.sin(2 * np.pi * 8 * since) * np.exp(-since / 0.1)
    accel = shake[:, np.newaxis] * rng.normal(size=(n, 3, 1)) + 1e-4 * rng.normal(size=(n, 3, len(t)))
    table = pd.DataFrame(
        {"participant": groups, "session": groups, "start": np.tile(np.arange(n_windows) * LENGTH, n_people)}
    )
    table = table.assign(valid=1.0, motion=rng.uniform(0.001, 0.04, n), ppg_quality=1.0, non_wear=np.nan, still=True)
    table = table.assign(heart_rate=rate, sdnn=rng.normal(50, 10, n), rmssd=rng.normal(40, 8, n), reason="")
    people = pd.DataFrame({"age": rng.uniform(20, 70, n_people)}, index=pd.Index(np.unique(groups), name="participant"))
    return Cohort(
        accel.astype(np.float32), np.sin(since)[:, np.newaxis].astype(np.float32), table, RATE, LENGTH, Gate(), people
    )


class Spread(Contender):
    name = "spread"
    fits = 0

    def fit(self, training):
        type(self).fits += 1
        self.mean = training.accel.mean()
        return self

    def embed(self, windows, sampling_rate):
        return np.log(windows.std(axis=2) + 1e-6) - self.mean


class Nothing(Spread):
    name = "nothing"

    def embed(self, windows, sampling_rate):
        return np.full((len(windows), 2), np.nan)


class TooFew(Spread):
    name = "too few"

    def embed(self, windows, sampling_rate):
        return np.ones((len(windows) - 1, 2))


class Broken(Spread):
    name = "broken"

    def embed(self, windows, sampling_rate):
        raise KeyError("no such layer")


class Half(Spread):
    name = "half"

    def embed(self, windows, sampling_rate):
        features = windows.std(axis=2)
        features[::2] = np.nan
        return features


class Constant(Estimator):
    name = "constant"

    def estimate(self, windows, sampling_rate):
        return {"heart_rate": np.full(len(windows), 70.0)}, {}


ENTRIES = [ByHand(HAND_CRAFTED, hand_crafted_features), Spread(), Nothing(), TooFew(), Broken(), Half(), Constant()]
ENTRIES += [WristRate("spectral")]


def halves(data):
    return np.where(data.participants < "p12", 0, -1)


def cell(table, encoder, target="heart_rate"):
    return table[(table["encoder"] == encoder) & (table["target"] == target)].iloc[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    gates = (0.01, 0.05)
    split = np.arange(120) // 30
    return compare_contenders(cohort(), split, out, budget=BUDGET, entries=ENTRIES, n_seeds=2, gates=gates), out


def test_one_bad_entry_leaves_the_rest_of_the_table(made):
    table = made[0].comparison.table
    assert cell(table, HAND_CRAFTED)["mae"] < 6 and cell(table, HAND_CRAFTED)["reason"] == ""
    for name, reason in {
        "nothing": "embed returned no finite row",
        "too few": "embed returned the shape (119, 2) for 120 windows",
        "broken": "KeyError: 'no such layer'",
    }.items():
        assert reason in cell(table, name)["reason"] and np.isnan(cell(table, name)["mae"])
    assert cell(table, "half")["coverage"] == 0.5
    assert cell(table, "constant")["mae"] == pytest.approx(cell(table, "training mean")["mae"], rel=0.2)
    assert not ((table["encoder"] == "constant") & (table["target"] == "sdnn")).any()


def test_everything_asked_for_is_measured(made):
    results = made[0]
    row = cell(results.comparison.table, HAND_CRAFTED)
    assert row["n_runs"] == 2 and row["run_sd"] == 0 and 0 < row["train_mae"] < row["mae"]
    assert set(results.people["target"]) == {"age"} and "spread" in set(results.people["encoder"])
    assert set(results.conformal["encoder"]) >= {HAND_CRAFTED, MOTION, "constant"}
    covered = results.conformal.set_index(["encoder", "target"]).loc[(HAND_CRAFTED, "heart_rate")]
    assert covered["n_calibration"] == 12 and covered["coverage"] > 0.8
    assert {"classical: spectral", HAND_CRAFTED} <= set(results.confidence["encoder"])
    assert set(results.gates["gate"]) == {0.01, 0.05} and set(results.visible_beat["participant"]) <= set(
        cohort().participants
    )
    widest = results.gates[(results.gates["gate"] == 0.05) & (results.gates["target"] == "heart_rate")]
    assert widest.set_index("encoder").loc[HAND_CRAFTED, "mae"] == pytest.approx(row["mae"])
    missing = as_tables(results)["missing"]
    assert {"nothing", "too few", "broken"} <= set(missing["encoder"])
    assert json.loads(json.dumps(as_json(results), allow_nan=False))["people"][0]["ci95"][0] > 0


def test_finished_cells_are_not_computed_again_and_change_nothing(made, tmp_path):
    results, out = made
    before = Spread.fits
    again = compare_contenders(cohort(), np.arange(120) // 30, out, budget=BUDGET, entries=ENTRIES[:2], n_seeds=2)
    assert Spread.fits == before
    for encoder in (HAND_CRAFTED, "spread"):
        pd.testing.assert_series_equal(
            cell(again.comparison.table, encoder), cell(results.comparison.table, encoder), check_names=False
        )
    # A damaged file is made again; other data, another seed or another budget are other cells.
    damaged = next((out / "cells").glob("spread*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    compare_contenders(cohort(), np.arange(120) // 30, out, budget=BUDGET, entries=ENTRIES[1:2], n_seeds=2)
    assert Spread.fits == before + 1


def test_a_cell_depends_on_data_split_budget_seed_and_contender(tmp_path):
    data, rows = cohort(n_people=4), np.arange(20)
    split = lambda data=data, test=rows[15:], budget=BUDGET, seed=0, **facts: Split(
        data, rows[:15], rows, test, budget, seed, Store(tmp_path, data=facts)
    )
    other = ByHand("spread", hand_crafted_features)
    count = Spread.fits
    for _ in range(2):
        for part in (
            split(),
            split(test=rows[16:]),
            split(budget=Budget(n_steps=2)),
            split(seed=1),
            split(hash="other"),
        ):
            assert part.cell(Spread()).features.shape == (20, 3)
    assert Spread.fits == count + 5
    assert split().cell(other).features.shape == (20, 70)


def test_an_interrupted_run_keeps_what_was_finished(tmp_path):
    class Interrupted(Spread):
        name = "interrupted"

        def embed(self, windows, sampling_rate):
            raise KeyboardInterrupt

    data = cohort()
    with pytest.raises(KeyboardInterrupt):
        compare_contenders(data, halves(data), tmp_path, budget=BUDGET, entries=[Spread(), Interrupted()])
    assert [path.suffix for path in (tmp_path / "cells").iterdir()] == [".npz"]
    count = Spread.fits
    compare_contenders(data, halves(data), tmp_path, budget=BUDGET, entries=[Spread(), ENTRIES[0]])
    assert Spread.fits == count


def test_trained_encoders_are_kept_and_their_shared_space_is_searched_both_ways(tmp_path):
    data = cohort(n_people=8)
    entries = [entry for entry in line_up() if entry.name in (STUDENT, SLOW_STUDENT)]
    entries[0].settings = {"front_end": "samples"}
    split = np.where(data.participants < "p03", 0, -1)
    found = compare_contenders(data, split, tmp_path, budget=BUDGET, entries=entries)
    assert (tmp_path / "student" / "model.safetensors").exists() and (tmp_path / "teacher" / "README.md").exists()
    controls = {STUDENT: MOTION, in_time(STUDENT): in_time(SLOW_STUDENT), SLOW_STUDENT: MOTION}
    assert set(found.retrieval) == set(found.retrieval_back) == {*controls, *controls.values()}
    for table in (found.retrieval, found.retrieval_back):
        for name, control in controls.items():
            rows = table[name].merge(table[control], on=["scope", "pool"], suffixes=("", "_control"))
            np.testing.assert_allclose(rows["gap"], rows["top1"] - rows["top1_control"], atol=1e-12)
        assert all("gap" not in table[control] for control in (MOTION, in_time(SLOW_STUDENT)))
    assert not found.retrieval["distilled student"].equals(found.retrieval_back["distilled student"])
    # Without the student's cell it is trained again, from the teacher on disk, and is the same to the last bit.
    next((tmp_path / "cells").glob("distilled*.npz")).unlink()
    again = compare_contenders(data, split, tmp_path, budget=BUDGET, entries=entries)
    pd.testing.assert_frame_equal(again.comparison.predictions, found.comparison.predictions, check_exact=True)


class TestBadInput:
    def test_people_on_both_sides(self, tmp_path):
        with pytest.raises(ValueError, match=r"24 participant\(s\) are in training and test"):
            compare_contenders(cohort(), np.arange(120) % 2, tmp_path, budget=BUDGET, entries=ENTRIES[:1])

    def test_too_few_people(self, tmp_path):
        data = cohort(n_people=2)
        with pytest.raises(ValueError, match=r"1 training participant\(s\).*2 needed"):
            compare_contenders(data, np.repeat([0, -1], 5), tmp_path, budget=BUDGET, entries=ENTRIES[:1])
        data = cohort()
        data.table["still"] = data.participants < "p12"
        with pytest.raises(ValueError, match=r"0 test participant\(s\)"):
            compare_contenders(
                data, np.where(data.participants < "p12", -1, 0), tmp_path, budget=BUDGET, entries=ENTRIES[:1]
            )

    def test_targets_that_tell_nothing(self, tmp_path):
        data = cohort()
        data.table["sdnn"] = 50.0
        data.table["rmssd"] = np.nan
        table = compare_contenders(data, halves(data), tmp_path, budget=BUDGET, entries=ENTRIES[:1]).comparison.table
        assert "constant target" in cell(table, HAND_CRAFTED, "sdnn")["reason"]
        assert cell(table, HAND_CRAFTED, "rmssd")["reason"] == "no test window has this target"
        assert cell(table, HAND_CRAFTED)["reason"] == ""

    def test_labels(self):
        data = cohort()
        labels = pd.DataFrame({"participant": ["p00", "p01", "zz"], "smoker": [1, 0, 1]})
        found = with_labels(data, labels)
        assert found.people.loc["p00", "smoker"] == 1 and np.isnan(found.people.loc["p02", "smoker"])
        assert "zz" in found.notes[0] and found.people["age"].notna().all() and not data.notes
        for wrong, said in (
            (labels.drop(columns="participant"), "expected 'participant'"),
            (labels.assign(participant=["p00", "p00", "p01"]), "p00 have several rows"),
            (labels.assign(participant=["a", "b", "c"]), "no row of the labels belongs"),
        ):
            with pytest.raises(ValueError, match=said):
                with_labels(data, wrong)

    def test_names_taken_twice(self):
        with pytest.raises(ValueError, match="taken"):
            line_up(own=[ByHand("log spectrum", len)])
        with pytest.raises(ValueError, match="taken"):
            line_up(own=[ByHand(MOTION, len)])

    def test_methods_left_out(self):
        with pytest.raises(NotImplementedError, match="define embed"):
            Contender().embed(np.zeros((1, 3, 5)), 1.0)
        with pytest.raises(NotImplementedError, match="define estimate"):
            Estimator().estimate(np.zeros((1, 3, 5)), 1.0)


def test_families_stand_side_by_side():
    entries = line_up(full=True, architectures=["conv", "transformer"])
    names = [entry.name for entry in entries]
    assert {"L2-distilled student", "supervised [transformer]", TEACHER} <= set(names)
    assert f"{TEACHER} [transformer]" not in names, "one teacher for all, so one ceiling"
    assert len({entry.identity() for entry in entries}) == len(names)
    found = members_by_family(entries, "conv")
    assert list(found) == ["conv", "transformer"] and next(iter(found["transformer"].values())) == STUDENT
    assert list(found["conv"]) == list(found["conv"].values()) == list(found["transformer"].values())
    assert TEACHER not in found["conv"] and members_by_family(line_up(full=True), "conv") == {}
    with pytest.raises(ValueError, match="conv, conv; give each of them once"):
        line_up(architectures=["conv", "conv"])
    assert dataclasses.asdict(BUDGET)["n_steps"] == 1


def test_hash_of_names_is_of_what_they_say_and_not_of_where_they_lie():
    from biosig.evaluation.results import hash_arrays

    names = ["P1", "a name that is longer than what is kept in place"]
    plain = hash_arrays([np.array(names)])
    assert hash_arrays([np.array(names, dtype=object)]) == plain
    if hasattr(np.dtypes, "StringDType"):
        assert hash_arrays([np.array(names, dtype=np.dtypes.StringDType())]) == plain
    assert hash_arrays([np.array(names[::-1], dtype=object)]) != plain
