from __future__ import annotations

import json

import pytest

from biosig._files import atomic_path, write_json, write_text


def test_file_appears_whole_with_ordinary_permissions(tmp_path):
    write_text(tmp_path / "new" / "note.txt", "größer")
    path = tmp_path / "new" / "note.txt"
    assert path.read_text(encoding="utf-8") == "größer"
    assert path.stat().st_mode & 0o400
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path, error):
    path = tmp_path / "results.json"
    write_json(path, {"a": 1})
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_nan_is_refused_in_json(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "results.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []
