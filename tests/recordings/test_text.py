"""Numbers from text against Python's own conversion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.recordings.text import lines_of, read_numbers

NUMBERS = st.one_of(st.floats(allow_infinity=False, width=32), st.integers(-(10**9), 10**9))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=30), st.sampled_from([",", ";", "\t"]))
def test_agrees_with_float(rows, separator):
    text = "head\n" + "".join(f"{a}{separator}{b}\n" for a, b in rows)
    found = read_numbers(text.encode(), name="file", skip=1, columns=(0, 1), separator=separator)
    np.testing.assert_allclose(found, np.array(rows, dtype=np.float64), rtol=1e-12)


@given(st.binary(max_size=200), st.integers(0, 2))
def test_any_bytes_give_numbers_or_a_message(content, skip):
    try:
        found = read_numbers(content, name="file", skip=skip, columns=(0,))
    except ValueError as error:
        assert str(error).startswith("file")
    else:
        assert found.shape[1] == 1


@pytest.mark.parametrize("content", [b"", b"\n\n", b"head", b"head\n", b"head\r\n\r\n"])
def test_nothing_below_the_header(content):
    assert read_numbers(content, name="file", skip=1, columns=(0, 1)).shape == (0, 2)


def test_lines_of():
    assert lines_of(b"\xef\xbb\xbfa\r\nb\nc", 2) == ["a", "b"]
    assert lines_of(b"", 2) == []
