"""Folders of weights: there and back, and every way to spoil one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from biosig.nets import weights as module
from biosig.nets.weights import content_hash, load_weights_folder, save_weights_folder

WEIGHTS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([1.5], np.float32)}
CONFIG = {"encoder": {"widths": [1, 2]}, "rate": 16.0, "note": "é"}


@pytest.fixture
def folder(tmp_path):
    save_weights_folder(tmp_path / "new" / "weights", WEIGHTS, CONFIG, "# Card\n")
    return tmp_path / "new" / "weights"


def test_there_and_back(folder):
    weights, config = load_weights_folder(folder)
    assert weights.keys() == WEIGHTS.keys()
    for name, values in WEIGHTS.items():
        np.testing.assert_array_equal(weights[name], values)
        assert weights[name].dtype == values.dtype
    assert {k: v for k, v in config.items() if k != "content_hash"} == CONFIG
    assert (folder / "README.md").read_text() == "# Card\n"
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert [p.name for p in folder.parent.iterdir()] == ["weights"]


def test_what_was_loaded_can_be_saved_again_over_itself(folder):
    weights, config = load_weights_folder(folder)
    weights["a"] = weights["a"] + 1
    save_weights_folder(folder, weights, config, "new card")
    again, config = load_weights_folder(folder)
    np.testing.assert_array_equal(again["a"], [2.5])
    assert config["content_hash"] == content_hash(again, config)


def test_transposed_arrays_keep_their_values(tmp_path):
    save_weights_folder(tmp_path / "w", {"t": WEIGHTS["b"].T}, {}, "")
    np.testing.assert_array_equal(load_weights_folder(tmp_path / "w")[0]["t"], WEIGHTS["b"].T)


def test_hash_notices_names_types_shapes_values_and_config():
    base = content_hash(WEIGHTS, CONFIG)
    assert base == content_hash(dict(reversed(WEIGHTS.items())), {**CONFIG, "content_hash": "any"})
    others = [
        content_hash({**WEIGHTS, "a": WEIGHTS["a"] + 1}, CONFIG),
        content_hash({**WEIGHTS, "a": WEIGHTS["a"].view(np.int32)}, CONFIG),
        content_hash({**WEIGHTS, "b": WEIGHTS["b"].reshape(3, 2)}, CONFIG),
        content_hash({"b": WEIGHTS["b"], "c": WEIGHTS["a"]}, CONFIG),
        content_hash(WEIGHTS, {**CONFIG, "rate": 17.0}),
    ]
    assert len({base, *others}) == 6


def change_a_tensor(folder):
    safetensors.numpy.save_file({**WEIGHTS, "a": WEIGHTS["a"] + 1}, folder / "model.safetensors")


def change_the_config(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rate": 99.0}))


def drop_the_hash(folder):
    (folder / "config.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (change_a_tensor, "model.safetensors.*altered"),
        (change_the_config, "config.json was altered"),
        (drop_the_hash, "config.json holds no content_hash"),
        (lambda f: (f / "config.json").write_text("{not json"), "config.json is not JSON"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "config.json is not JSON"),
        (lambda f: (f / "config.json").write_text("[" * 100000), "config.json is not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json holds no content_hash"),
        (
            lambda f: (f / "config.json").write_text('{"content_hash": "0", "x": NaN}'),
            "config.json is not JSON .it holds NaN",
        ),
        (lambda f: (f / "config.json").write_text('{"content_hash": "0", "x": 1e999}'), "config.json holds what JSON"),
        (lambda f: (f / "config.json").write_text('{"content_hash": "0", "x": 1, "x": 2}'), "'x' stands in it twice"),
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "model.safetensors is not a safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 64), "model.safetensors is not a safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x80\x04K\x01."), "model.safetensors is not a safetensors"),
    ],
)
def test_spoiled_folders_are_refused_by_name(folder, spoil, named):
    spoil(folder)
    with pytest.raises(ValueError, match=named) as caught:
        load_weights_folder(folder)
    assert "get the folder again" in str(caught.value)


def test_absurd_sizes_are_refused_before_reading(folder, monkeypatch):
    monkeypatch.setattr(module, "_MOST_TENSOR_BYTES", 10)
    with pytest.raises(ValueError, match=r"model.safetensors has \d+ bytes"):
        load_weights_folder(folder)


def test_what_is_not_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not a folder"):
        load_weights_folder(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        save_weights_folder(tmp_path / "file", WEIGHTS, CONFIG, "")


@pytest.mark.parametrize("config", [{"x": float("nan")}, {"x": object()}])
def test_configs_that_json_cannot_hold_are_refused(tmp_path, config):
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        save_weights_folder(tmp_path / "w", WEIGHTS, config, "")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_nothing_and_the_old_untouched(folder, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_weights_folder(tmp_path / "other", WEIGHTS, CONFIG, "")
    assert not (tmp_path / "other").exists() and [p.name for p in tmp_path.iterdir()] == ["new"]
    with pytest.raises(OSError, match="disk full"):
        save_weights_folder(folder, {"a": WEIGHTS["a"]}, CONFIG, "")
    assert load_weights_folder(folder)[0].keys() == WEIGHTS.keys()


def test_loads_without_tinygrad():
    code = "import sys, biosig.nets.weights; print('tinygrad' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
