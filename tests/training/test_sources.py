"""Windows in memory, in files and in many files: the same rows, the same batches, the same weights."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from biosig.training import embed, train_masked_autoencoder
from biosig.training.frontends import check_input, with_data
from biosig.training.sources import StoredWindows, blocks, fingerprint, open_windows
from tests.training.killed import config, options, toy

h5py = pytest.importorskip("h5py")
zarr = pytest.importorskip("zarr")


@pytest.fixture
def stores(tmp_path):
    """One set of windows in all the places where windows can be; closed at the end."""
    x, _ = toy()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "big_endian.npy", x.astype(">f4"))
    dims = ("window", "wavelength", "sample")
    xr.Dataset({"ppg": (dims, x)}).to_netcdf(tmp_path / "x.nc", engine="scipy")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["ppg"] = x
    xr.Dataset({"ppg": (dims, x)}).to_zarr(
        tmp_path / "x.zarr", consolidated=False, encoding={"ppg": {"chunks": (8, 1, 64)}}
    )
    lazy = xr.open_dataset(tmp_path / "x.nc", engine="scipy")
    file = h5py.File(tmp_path / "x.h5")
    yield {
        "memory": x,
        "float64": x.astype(np.float64),
        "memory map": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "big-endian map": np.load(tmp_path / "big_endian.npy", mmap_mode="r"),
        "xarray on netCDF": lazy["ppg"],
        "xarray in memory": xr.DataArray(x, dims=dims),
        "HDF5": file["ppg"],
        "Zarr": zarr.open(tmp_path / "x.zarr", mode="r")["ppg"],
        "xarray on Zarr": xr.open_zarr(tmp_path / "x.zarr", chunks=None, consolidated=False)["ppg"],
        "many recordings": [x[:7], np.load(tmp_path / "x.npy", mmap_mode="r")[7:30], lazy["ppg"][30:]],
    }
    lazy.close()
    file.close()


PLACES = [
    "float64", "memory map", "big-endian map", "xarray on netCDF", "xarray in memory", "HDF5", "Zarr", "xarray on Zarr",
    "many recordings",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_rows_are_those_in_memory(stores, place):
    x = open_windows(stores[place])
    expected = stores["memory"]
    assert x.shape == expected.shape and len(x) == len(expected)
    rng = np.random.default_rng(0)
    few = [rng.choice(len(x), rng.integers(1, 5)) for _ in range(50)]  # so that neighbours meet by chance
    for rows in (*few, rng.permutation(len(x))[:17], np.array([5, 5, 2]), np.arange(3, 9), slice(6, 33), slice(0, 0)):
        got = x[rows]
        assert got.dtype == np.float32 and got.dtype.isnative
        np.testing.assert_array_equal(got, expected[rows])
    np.testing.assert_array_equal(with_data(x), with_data(expected))
    assert fingerprint({"x": x}, {}) == fingerprint({"x": expected}, {})


def test_training_and_embedding_are_bitwise_those_in_memory(stores):
    _, groups = toy()
    short = options(steps=3)
    expected = train_masked_autoencoder(stores["memory"], config(), options=short, groups=groups)
    embedded = embed(stores["memory"], expected.config, expected.weights, batch_size=16)
    for place in ("xarray on netCDF", "xarray on Zarr", "many recordings"):
        fitted = train_masked_autoencoder(stores[place], config(), options=short, groups=groups)
        for name, weights in expected.weights.items():
            np.testing.assert_array_equal(weights, fitted.weights[name])
        np.testing.assert_array_equal(embed(stores[place], config(), fitted.weights, batch_size=16), embedded)


def test_what_is_float32_is_not_copied(stores):
    assert open_windows(stores["memory"]) is stores["memory"]
    assert np.shares_memory(open_windows(stores["memory map"]), stores["memory map"])
    for place in ("xarray on netCDF", "big-endian map", "HDF5"):
        assert isinstance(open_windows(stores[place]), StoredWindows)


def test_files_are_never_read_whole(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=">f4", shape=(6000, 1, 4000))
    x[::100] = 1.0
    tracemalloc.start()
    try:
        opened = check_input(x, {"n_channels": 1, "n_samples": 4000, "sampling_rate": 1.0})
        with_data(opened, 1)
        fingerprint({"x": opened}, {})
        assert tracemalloc.get_traced_memory()[1] < 0.6 * x.nbytes
        assert opened[np.arange(0, 6000, 100)].min() == 1.0
    finally:
        tracemalloc.stop()
    assert len(blocks(opened)) > 2


def test_fingerprints_tell_data_apart(stores):
    x, groups = toy()
    base = fingerprint({"x": x}, {"groups": groups, "y": None})
    assert fingerprint({"x": x}, {"groups": groups * 10 + 3, "y": None}) == base  # the same people by other names
    for windows, columns in (
        (x[:-1], {"groups": groups, "y": None}),
        (x + np.float32(1), {"groups": groups, "y": None}),
        (x, {"groups": groups[::-1] // 2, "y": None}),
        (x, {"groups": groups, "y": groups * 1.0}),
    ):
        assert fingerprint({"x": windows}, columns) != base


def test_what_does_not_fit_is_refused_with_its_shape(stores):
    x = stores["memory"]
    with pytest.raises(ValueError, match=r"x\[1\] has shape \(40, 1, 60\), x\[0\] has \(40, 1, 64\)"):
        open_windows([x, x[:, :, :60]])
    with pytest.raises(ValueError, match=r"expected \(n_windows, 3, n_samples\)"):
        open_windows(stores["xarray on netCDF"], n_channels=3)
    with pytest.raises(ValueError, match=r"transpose\(0, 2, 1\)"):
        open_windows(stores["xarray on netCDF"].transpose("window", "sample", "wavelength"))
    with pytest.raises(ValueError, match="expected numbers"):
        open_windows(xr.DataArray(np.full((2, 1, 8), "a")))
    with pytest.raises(ValueError, match="has shape"):
        open_windows(stores["xarray on netCDF"][0])
    with pytest.raises(ValueError, match="60 samples a window"):
        check_input([x[:, :, :60]], config())
