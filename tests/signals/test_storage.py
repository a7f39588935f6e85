"""Windows on disk: many files with few handles, files cut short or of other kinds, records of netCDF."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import xarray as xr

from biosig.signals import storage
from biosig.signals.storage import open_window_files, window_attributes, write_windows


def cut(n: int = 5, seed: int = 0, **attrs) -> xr.Dataset:
    """Make windows as `segment` returns them."""
    rng = np.random.default_rng(seed)
    signal = lambda rows: rng.standard_normal((n, rows, 32)).astype(np.float32)
    return xr.Dataset(
        {"accel": (("window", "axis", "sample"), signal(3)), "ppg": (("window", "wavelength", "sample"), signal(1))},
        coords={
            "participant": ("window", [f"P{seed}"] * n),
            "session": ("window", [f"S{seed}"] * n),
            "start": ("window", 10.0 * np.arange(n)),
        },
        attrs={"sampling_rate": 16.0, **attrs},
    )


@pytest.mark.parametrize("records", [True, False])
@pytest.mark.parametrize("n", [1, 5])
def test_rows_are_read_as_they_were_written_in_files_of_old_and_new(tmp_path, records, n):
    windows = cut(n)
    if records:
        write_windows(windows, tmp_path / "w.nc")
    else:
        windows.to_netcdf(tmp_path / "w.nc", engine="scipy", format="NETCDF3_64BIT")
    opened = open_window_files([tmp_path])[0]
    for name in ("accel", "ppg"):
        stored, own = opened[name], windows[name].to_numpy()
        assert stored.shape == own.shape and stored.dtype == np.float32 and stored.dtype.isnative
        for rows in (slice(None), slice(0, 1), slice(n, None), slice(None, None, 2), np.array([n - 1, 0, 0]), 0):
            np.testing.assert_array_equal(np.asarray(stored[rows]), own[rows])
        np.testing.assert_array_equal(np.asarray(stored[:, 0, ::3]), own[:, 0, ::3])
        np.testing.assert_array_equal(np.asarray(stored[[0], [0], 5:7]), own[[0]][:, [0], 5:7])
    np.testing.assert_array_equal(opened["start"], windows["start"])


def test_windows_are_records_so_that_no_size_is_too_large(tmp_path):
    write_windows(cut(), tmp_path / "w.nc")
    from scipy.io import netcdf_file

    with warnings.catch_warnings(), netcdf_file(tmp_path / "w.nc", mmap=False) as file:
        assert file.dimensions["window"] is None and file.variables["accel"].isrec
    assert window_attributes(tmp_path / "w.nc")["sampling_rate"] == 16


def test_a_file_that_is_cut_short_later_is_named(tmp_path):
    path = write_windows(cut(), tmp_path / "w.nc")
    opened = open_window_files([path])[0]
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ValueError, match=r"w\.nc was cut short"):
        np.asarray(opened["accel"][:])
    with pytest.raises(ValueError, match=r"w\.nc is no netCDF 3 file, or a damaged one"):
        open_window_files([path])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name on this system")
def test_pipes_and_endless_files_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.nc")
    with pytest.raises(ValueError, match=r"pipe\.nc is a pipe; expected an ordinary file"):
        open_window_files([tmp_path])
    (tmp_path / "zero.nc").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"zero\.nc is a device"):
        open_window_files([tmp_path / "zero.nc"])


def test_files_that_cannot_be_used_are_left_out_by_name_where_that_is_wanted(tmp_path):
    write_windows(cut(seed=1), tmp_path / "a.nc")
    (tmp_path / "b.nc").write_bytes(b"CDF\x01nonsense")
    write_windows(cut(seed=2).isel(sample=slice(16)), tmp_path / "c.nc")
    left_out: list[tuple[str, str]] = []
    assert len(open_window_files([tmp_path], left_out)) == 1
    assert [name.rsplit("/")[-1] for name, _ in left_out] == ["b.nc", "c.nc"]
    with pytest.raises(ValueError, match=r"b\.nc"):
        open_window_files([tmp_path])
    with pytest.raises(ValueError, match="none of the 1 files can be used"):
        open_window_files([tmp_path / "b.nc"], [])


MANY = """
import resource, sys
import numpy as np
from biosig.signals.storage import open_window_files
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from biosig.training.sources import open_windows
files = open_window_files([sys.argv[1]])
x = open_windows([file["accel"] for file in files])
total = sum(float(np.abs(x[np.arange(i, len(x), 50)]).sum()) for i in range(50))
held = [open("/dev/null") for _ in range(20)]
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
try:
    open_window_files([sys.argv[1] + "/0.nc"])
except OSError as error:
    held.clear()
    print(len(files), total > 0, error.strerror)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_hundreds_of_files_with_forty_handles_and_no_free_handle_is_called_that(tmp_path):
    for number in range(200):
        write_windows(cut(2, number), tmp_path / f"{number}.nc")
    done = subprocess.run([sys.executable, "-c", MANY, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip() == "200 True Too many open files", done.stderr[-800:]


def test_the_form_of_windows_in_words():
    assert storage.window_form(cut()) == "accel of 3 x 32 and ppg of 1 x 32 samples at 16 Hz"
