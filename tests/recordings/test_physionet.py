"""WFDB records from a local folder."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from biosig.recordings import read, read_wfdb

wfdb = pytest.importorskip("wfdb")


def write_record(folder, names, units, values, name="r01", rate=100, **options):
    wfdb.wrsamp(
        name,
        fs=rate,
        units=units,
        sig_name=names,
        p_signal=values,
        fmt=["16"] * len(names),
        write_dir=str(folder),
        **options,
    )
    return folder / f"{name}.hea"


@pytest.fixture
def record(tmp_path):
    rng = np.random.default_rng(0)
    names = ["PLETH", "II", "ACC_X", "ACC_Y", "ACC_Z", "RESP"]
    values = 0.1 * rng.standard_normal((300, 6)) + np.array([0, 0, 0, 600, 800, 0])
    return write_record(tmp_path, names, ["NU", "mV", "mg", "mg", "mg", "pm"], values), values


def test_signals_are_mapped(record):
    path, values = record
    recording = read(path)
    np.testing.assert_allclose(recording.ppg[:, 0], values[:, 0], atol=1e-3)
    np.testing.assert_allclose(recording.ecg, values[:, 1], atol=1e-3)
    np.testing.assert_allclose(recording.accel, values[:, 2:5] / 1000, atol=1e-4)
    assert recording.accel.attrs["sampling_rate"] == 100
    assert recording.ppg.attrs["units"] == "NU"
    assert recording.attrs["ecg_lead"] == "II"
    assert recording.attrs["participant"] == "r01"


def test_with_or_without_suffix(record):
    path, _ = record
    for other in (path.with_suffix(""), path.with_suffix(".dat")):
        assert read(other).identical(read(path))


def test_unknown_acceleration_unit_is_inferred(tmp_path):
    values = np.tile([0.0, 6.0, 7.8], (50, 1)) + 0.01 * np.arange(50)[:, np.newaxis]
    path = write_record(tmp_path, ["acc x", "acc y", "acc z"], ["NU"] * 3, values)
    assert read(path).attrs["accel_units_in_file"] == "m/s2"
    np.testing.assert_allclose(read(path, units="g").accel, values, atol=1e-2)


def test_missing_and_unsuitable(tmp_path, record):
    path, values = record
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_wfdb(tmp_path / "r02")
    only = write_record(tmp_path, ["RESP"], ["pm"], values[:, :1], name="r03")
    with pytest.raises(ValueError, match=r"\['RESP'\]; expected PPG"):
        read(only)
    path.with_suffix(".dat").unlink()
    with pytest.raises(FileNotFoundError, match="names it"):
        read(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("r01.dat", "../r01.dat", "outside its own folder|not a WFDB header"),
        ("r01.dat", "/etc/passwd", "outside its own folder|not a WFDB header"),
        ("100 300", "100 3000000000", "promises"),
        ("100 300", "100 900", "cannot be read"),
        ("r01 6", "nonsense", "not a WFDB header|describes no signal|cannot be read"),
    ],
)
def test_hostile_headers(record, old, new, message):
    path, _ = record
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        read(path)


def test_without_the_package(record, monkeypatch):
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(ValueError, match=r"pip install 'biosig-wear\[wfdb\]'"):
        read(record[0])


def test_real_record(data_folder):
    path = data_folder / "bidmc" / "bidmc_01.hea"
    if not path.exists():
        pytest.skip("bidmc is not among the real recordings")
    recording = read(path)
    assert recording.ppg.shape == (60001, 1)
    assert recording.ecg.attrs["sampling_rate"] == 125.0
