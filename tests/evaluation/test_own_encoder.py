"""The example that enters a torch model, and the label sweep with encoders that learn from labels."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from biosig.evaluation import hand_crafted_features
from biosig.evaluation.contenders import HAND_CRAFTED, ByHand
from biosig.evaluation.run import compare_contenders
from tests.evaluation.test_run import BUDGET, Spread, cohort, halves


@pytest.fixture(scope="module")
def example():
    path = Path(__file__).parents[2] / "examples" / "own_encoder.py"
    spec = importlib.util.spec_from_file_location("own_encoder", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_torch_model_takes_part(example, tmp_path):
    pytest.importorskip("torch", reason="the example is about torch users")
    data = cohort(n_people=8)
    entries = [ByHand(HAND_CRAFTED, hand_crafted_features), example.TorchEncoder(n_steps=2)]
    split = np.where(data.participants < "p03", 0, -1)
    found = compare_contenders(data, split, tmp_path, budget=BUDGET, entries=entries)
    row = found.comparison.table.set_index(["encoder", "target"]).loc[("my torch model", "heart_rate")]
    assert row["mae"] > 0 and row["coverage"] == 1 and row["reason"] == ""


def test_without_torch_it_says_so(example, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(sys, "argv", ["own_encoder.py"])
    assert example.main() == 2 and "pip install torch" in capsys.readouterr().err


def test_who_learns_from_labels_is_trained_on_those_people_only(tmp_path):
    class Learner(Spread):
        name, learns_from_labels, seen = "learner", True, []

        def fit(self, training):
            self.seen.append(len(np.unique(training.groups)))
            return super().fit(training)

    data = cohort()
    entries = [ByHand(HAND_CRAFTED, hand_crafted_features), Learner()]
    options = {"budget": BUDGET, "entries": entries, "label_shares": (0.0, 0.5, 1.0)}
    table = compare_contenders(data, halves(data), tmp_path, **options).label_efficiency
    # Once for the comparison, which also is the sweep's last point, then for one person and for half of them.
    assert sorted(Learner.seen) == [1, 6, 12]
    cell = table.set_index(["encoder", "target", "share"])["mae"]
    assert cell["hand-crafted features", "heart_rate", 1.0] < cell["hand-crafted features", "heart_rate", 1 / 12]
    assert set(table["encoder"]) == {"hand-crafted features", "learner", "training mean"}
