"""Names that a spreadsheet would take for formulas, whatever type pandas keeps text as."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest

from biosig._csv import as_csv

NAMES = ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "\r=1", "plain", "1-2"]
KINDS = [object, "str", "string", "category", pd.StringDtype("python")]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_formulas_are_escaped_in_text_of_any_type(kind):
    table = pd.DataFrame({"participant": pd.Series(NAMES, dtype=kind), "=x": np.arange(8) - 4.0})
    rows = list(csv.reader(io.StringIO(as_csv(table), newline="")))
    assert rows[0] == ["participant", "'=x"]
    expected = [f"'{name}" for name in NAMES[:6]] + NAMES[6:]
    assert [row[0] for row in rows[1:]] == [name.replace("\r", "\n") for name in expected]
    assert [float(row[1]) for row in rows[1:]] == list(np.arange(8) - 4.0)


def test_numbers_gaps_and_names_that_occur_twice():
    table = pd.DataFrame([[1, "=a", None, "=b", np.nan, True]], columns=["n", "t", "t", "u", "v", "w"])
    assert as_csv(table) == "n,t,t,u,v,w\n1,'=a,,'=b,,True\n"
    assert as_csv(pd.DataFrame({"x": [0.1, -2.5]})) == "x\n0.1\n-2.5\n"
    assert as_csv(pd.DataFrame({"x": pd.Series([], dtype=object)})) == "x\n"
    mixed = pd.DataFrame({"x": pd.Series([1, "=1", b"=1", None], dtype=object)})
    assert as_csv(mixed).splitlines()[2] == "'=1"
