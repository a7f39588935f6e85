"""Files and simulators: everything that makes a Recording (`xarray.Dataset`)."""

from biosig.recordings.contract import make_recording, validate
from biosig.recordings.devices import DEVICES, Device
from biosig.recordings.embraceplus import read_embraceplus
from biosig.recordings.empatica import read_empatica
from biosig.recordings.netcdf import read_netcdf, write
from biosig.recordings.physionet import read_wfdb
from biosig.recordings.read import read, read_all
from biosig.recordings.simulation import simulate_cohort
from biosig.recordings.table import read_table
from biosig.recordings.truth import truth_targets

__all__ = [
    "DEVICES",
    "Device",
    "make_recording",
    "read",
    "read_all",
    "read_embraceplus",
    "read_empatica",
    "read_netcdf",
    "read_table",
    "read_wfdb",
    "simulate_cohort",
    "truth_targets",
    "validate",
    "write",
]
