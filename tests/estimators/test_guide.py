"""The guide's example of a search over distillation runs as written."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import sklearn

GUIDE = Path(__file__).parents[2] / "docs" / "train_an_encoder.md"


def test_the_search_of_the_guide_runs_as_written(capsys):
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.S)
    (block,) = [block for block in blocks if "GridSearchCV" in block]
    names: dict = {}
    with sklearn.config_context(enable_metadata_routing=False):  # what the example sets ends with it
        exec(compile(block, GUIDE.name, "exec"), names)
    chosen, error = capsys.readouterr().out.strip().rsplit(" ", 1)
    assert ast.literal_eval(chosen) == names["search"].best_params_
    assert np.isfinite(names["search"].cv_results_["mean_test_score"]).all() and 0 < float(error) < 30
