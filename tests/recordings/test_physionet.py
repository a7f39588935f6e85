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
    with pytest.warns(UserWarning, match="stated units are g, but the still segments have a length"):
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
        ("r01 6", "nonsense", "promises 100 signals and describes 6"),
        ("r01 6", "r01 -6", "'-6' as number of signals"),
        ("r01 6", "r01 99999999", "promises 99999999 signals and describes 6"),
        ("r01 6", "r01/3 6", "several segments"),
        ("6 100 ", "6 -125 ", "sampling rate of '-125'; expected a positive number of Hz"),
        ("6 100 ", "6 nan ", "sampling rate of 'nan'"),
        ("6 100 ", "6 0 ", "sampling rate of '0'"),
        ("6 100 ", "6 inf ", "sampling rate of 'inf'"),
        ("6 100 ", "6 1e9 ", "sampling rate of '1e9'"),
        ("6 100 ", "6 1e-3 ", "reads as 1 Hz instead of 0.001"),
        ("100 300", "100 -300", "'-300' as number of samples"),
        (".dat 16 ", ".dat 16x1000000000 ", "1000000000 samples a frame"),
        (".dat 16 ", ".dat 16:1000000000 ", "1000000000 samples of skew"),
        (".dat 16 ", ".dat 16+1000000000 ", "1000000000 bytes to pass over"),
        (".dat 16 ", ".dat sixteen ", "'sixteen' as a signal's format"),
    ],
)
def test_hostile_headers(record, old, new, message):
    path, _ = record
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize("gain", ["nan", "inf", "1e400", "1(nan)", "x"])
def test_hostile_gains(record, gain):
    path, _ = record
    lines = path.read_text().split("\n")
    fields = lines[1].split(" ")
    fields[2] = gain
    path.write_text("\n".join([lines[0], " ".join(fields), *lines[2:]]))
    with pytest.raises(ValueError, match="as a signal's gain"):
        read(path)


def test_a_header_without_a_rate_has_the_default_of_the_format(record):
    path, _ = record
    path.write_text(path.read_text().replace("r01 6 100 300", "r01 6"))
    assert read(path).ppg.attrs["sampling_rate"] == 250


def test_counts_are_no_unit(tmp_path):
    values = np.tile([0.0, 600.0, 800.0], (500, 1)) + np.arange(500)[:, np.newaxis] % 3
    path = write_record(tmp_path, ["acc x", "acc y", "acc z"], ["adu"] * 3, values)
    with pytest.raises(ValueError, match="in counts of the converter"):
        read(path)
    np.testing.assert_allclose(np.linalg.norm(read(path, units=1000).accel[0]), 1.0, rtol=1e-3)


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
