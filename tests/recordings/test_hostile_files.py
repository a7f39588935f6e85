"""Files that strangers, crashes and systems leave behind: one line for each, in bounded time and memory."""

from __future__ import annotations

import builtins
import errno
import os
import resource
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig.recordings import make_recording, read, read_all, safe_files, write
from biosig.recordings import read as read_recording
from tests.recordings.test_empatica import FILES, pack

NAMES = ["a.csv", "a.tsv", "a.csv.gz", "a.parquet", "a.nc", "a.zip", "a.hea"]
LIMIT = 3 * 2**30


def one_line(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 1500
    return text


def skip_without(name):
    if name.endswith(".hea"):
        pytest.importorskip("wfdb")
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")


@pytest.mark.parametrize("name", NAMES)
def test_named_pipes_are_refused_without_waiting(tmp_path, name):
    skip_without(name)
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="is a named pipe; expected a regular file") as error:
        read(tmp_path / name)
    one_line(error)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["/dev/zero", "/dev/urandom"])
def test_endless_files_are_refused(tmp_path, name, target):
    skip_without(name)
    (tmp_path / name).symlink_to(target)
    with pytest.raises(ValueError, match="is a device; expected a regular file") as error:
        read(tmp_path / name)
    one_line(error)


@pytest.mark.parametrize("name", NAMES)
def test_folders_under_the_names_of_files(tmp_path, name):
    skip_without(name)
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="no format that biosig knows") as error:
        read(tmp_path / name)
    one_line(error)
    kind = {".nc": "netcdf", ".zip": "e4", ".hea": "wfdb"}.get(Path(name).suffix, "table")
    with pytest.raises(ValueError, match=r"is a folder; expected|neither ACC.csv nor BVP.csv") as error:
        read(tmp_path / name, format=kind)
    one_line(error)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 10**6, b"\xff" * 70_000, b"PAR1" * 9, b"CDF\x01" * 99, b"\x1f\x8b\x08" * 9]
)
def test_rubbish(tmp_path, name, content):
    skip_without(name)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as error:
        read(tmp_path / name)
    one_line(error)


@pytest.mark.parametrize("name", NAMES)
def test_huge_sparse_files(tmp_path, name):
    skip_without(name)
    with (tmp_path / name).open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(ValueError, match="bytes; expected at most") as error:
        read(tmp_path / name)
    one_line(error)


def test_sizes_that_the_system_does_not_know(monkeypatch, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time_s,ppg\n" + "0,1\n" * 1000)
    monkeypatch.setattr(safe_files, "check_file", lambda path, limit: 0)
    with pytest.raises(ValueError, match="has more than 100 bytes"):
        safe_files.read_plain(path, 100)


def test_wfdb_signal_that_is_no_file(tmp_path):
    pytest.importorskip("wfdb")
    (tmp_path / "r.hea").write_text("r 1 100 300\nr.dat 16 200/mV 16 0 0 0 0 PLETH\n")
    os.mkfifo(tmp_path / "r.dat")
    with pytest.raises(ValueError, match=r"r\.dat is a named pipe"):
        read(tmp_path / "r.hea")
    (tmp_path / "r.dat").unlink()
    (tmp_path / "r.dat").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"r\.dat is a device"):
        read(tmp_path / "r.hea")


def test_a_zip_whose_list_of_files_fills_the_memory(tmp_path):
    path = pack(tmp_path / "a.zip", FILES)
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 16] = (2**31).to_bytes(4, "little")
    path.write_bytes(bytes(content[:end]) + bytes(17 * 2**20) + bytes(content[end:]))
    with pytest.raises(ValueError, match="has a list of files of 2147483648 bytes"):
        read(path)


def test_methods_of_packing_that_claim_memory_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("BVP.csv", FILES["BVP.csv"])
    with pytest.raises(ValueError, match="packed by method 14; expected deflate"):
        read(tmp_path / "a.zip")


@pytest.mark.parametrize(("file", "text"), [("IBI.csv", "1e308, IBI\n1,0.8\n"), ("IBI.csv", "nan, IBI\n1,0.8\n")])
def test_absurd_starts_in_an_e4_session(tmp_path, file, text):
    with pytest.raises(ValueError, match=r"IBI\.csv, line 1"):
        read(pack(tmp_path / "a.zip", {**FILES, file: text}))


def test_huge_numbers_are_missing_samples(tmp_path):
    (tmp_path / "a.csv").write_text(
        "time_s,ppg\n" + "".join(f"{i / 50},{v}\n" for i, v in enumerate(["1e308", "-1e99", "1"]))
    )
    assert np.isnan(read(tmp_path / "a.csv").ppg.values[:2]).all()


class Contents(dict):
    """Contents by name, in messages of hypothesis only their names."""

    def __repr__(self):
        return f"{sorted(self)}"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A good file of each format, as bytes."""
    folder = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(0)
    still = np.array([0.0, 0.6, 0.8]) + 0.01 * rng.standard_normal((200, 3))
    contents = Contents({"a.zip": pack(folder / "a.zip", FILES).read_bytes()})
    write(make_recording(accel=still, ppg=still[:, 0], sampling_rate=50, participant="N"), folder / "a.nc")
    contents["a.nc"] = (folder / "a.nc").read_bytes()
    lines = "".join(f"{1714552200 + i / 50:.2f},{x:.4f},{y:.4f},{z:.4f}\n" for i, (x, y, z) in enumerate(still))
    contents["a.csv"] = ("timestamp,x,y,z\n" + lines).encode()
    try:
        import pandas as pd

        pd.DataFrame({"time_s": np.arange(200) / 50, "ppg": still[:, 0]}).to_parquet(folder / "a.parquet")
        contents["a.parquet"] = (folder / "a.parquet").read_bytes()
    except ImportError:
        pass
    try:
        import wfdb

        options = {"fs": 100, "units": ["NU"], "sig_name": ["PLETH"], "fmt": ["16"], "write_dir": str(folder)}
        wfdb.wrsamp("a", p_signal=still[:, :1], **options)
        contents["a.dat"], contents["a.hea"] = (folder / "a.dat").read_bytes(), (folder / "a.hea").read_bytes()
    except ImportError:
        pass
    return contents


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_files_give_a_recording_or_one_line(files, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    name = data.draw(st.sampled_from(sorted(set(files) - {"a.dat"})))
    if name == "a.hea":
        (folder / "a.dat").write_bytes(files["a.dat"])
    content = bytearray(files[name])
    at = data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6))
    for place in at:
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(content)))
        del content[cut : cut + data.draw(st.integers(1, 200))]
    (folder / name).write_bytes(content)
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + LIMIT, before[1]))
    try:
        read_recording(folder / name)
    except (ValueError, FileNotFoundError) as error:
        assert "\n" not in str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _address_space() -> int:
    return (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if sys.platform == "linux" else 0
    )


@pytest.mark.parametrize("name", ["a.csv", "a.nc", "a.zip", "a.parquet", "a.hea"])
def test_too_many_open_files_are_named_as_that(files, tmp_path, name):
    if name not in files:
        pytest.skip("the package for this format is not installed")
    for each in files:
        (tmp_path / each).write_bytes(files[each])
    script = f"""
        import os, resource, sys
        import numpy, pandas, scipy.io, xarray, zipfile
        from biosig.recordings import read
        path = {str(tmp_path / name)!r}
        read(path)  # whatever it imports, it imports now
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        for free in range(4):  # readers that open several files run out of them at different places
            try:
                read(path)
                print("read")
            except OSError as error:
                print(error.errno, str(error).lower())
            except Exception as error:
                print(type(error).__name__, error)
            os.close(held.pop())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    lines = done.stdout.strip().split("\n")
    assert len(lines) == 4
    for line in lines:
        assert line == "read" or (line.startswith(f"{errno.EMFILE} ") and "too many open files" in line), done.stdout
    assert lines[0] != "read"


@pytest.mark.parametrize(
    "failure",
    [KeyError("x"), TypeError("y"), MemoryError(), RecursionError("deep"), AttributeError("z"), OSError(24, "w")],
)
def test_no_recording_ends_a_batch(tmp_path, monkeypatch, failure):
    for name in ("S1", "S2", "S3"):
        pack(tmp_path / f"{name}.zip", FILES)
    module = sys.modules["biosig.recordings.read"]

    def reader(path, **options):
        if path.stem == "S2":
            raise failure
        return reads(path, **options)

    reads = module._READERS["e4"]
    monkeypatch.setitem(module._READERS, "e4", reader)
    recordings, skipped = read_all(tmp_path, progress=False)
    assert [recording.attrs["participant"] for recording in recordings] == ["S1", "S3"]
    assert [path.name for path, _ in skipped] == ["S2.zip"]
    expected = str(failure) if isinstance(failure, OSError) else type(failure).__name__
    assert skipped[0][1].startswith(expected)


def test_pipes_among_sessions_are_skipped(tmp_path):
    pack(tmp_path / "S1.zip", FILES)
    os.mkfifo(tmp_path / "S2.zip")
    os.mkfifo(tmp_path / "S3.nc")
    recordings, skipped = read_all(tmp_path, progress=False)
    assert len(recordings) == 1
    assert [path.name for path, _ in skipped] == ["S2.zip", "S3.nc"]
    assert all("is a named pipe" in reason for _, reason in skipped)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_a_batch(tmp_path, monkeypatch, interrupt):
    pack(tmp_path / "S1.zip", FILES)
    module = sys.modules["biosig.recordings.read"]

    def reader(path, **options):
        raise interrupt

    monkeypatch.setitem(module._READERS, "e4", reader)
    with pytest.raises(interrupt):
        read_all(tmp_path, progress=False)


def test_a_participant_that_cannot_be_named_is_skipped(tmp_path):
    for name in ("S1", "S2"):
        pack(tmp_path / f"{name}.zip", FILES)
    recordings, skipped = read_all(tmp_path, participant=lambda path: {"S1": "Ann"}[path.stem], progress=False)
    assert [recording.attrs["participant"] for recording in recordings] == ["Ann"]
    assert skipped[0][1] == "KeyError: 'S2'"


def test_folders_that_cannot_be_opened_are_skipped(tmp_path, monkeypatch):
    pack(tmp_path / "S1.zip", FILES)
    (tmp_path / "locked").mkdir()
    listed = Path.iterdir

    def iterdir(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    recordings, skipped = read_all(tmp_path, progress=False)
    assert len(recordings) == 1
    assert [path.name for path, _ in skipped] == ["locked"]


def test_deep_folders(tmp_path):
    (tmp_path / "all").mkdir()
    deep = Path(*["d"] * 1200)
    here = os.open(tmp_path / "all", os.O_RDONLY)
    try:
        for part in deep.parts:
            os.mkdir(part, dir_fd=here)
            below = os.open(part, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    try:
        with pytest.raises(ValueError, match="no recordings in"):
            read_all(tmp_path, progress=False)
        with zipfile.ZipFile(tmp_path / "all" / "S1.zip", "w") as archive:
            archive.writestr("BVP.csv", FILES["BVP.csv"])
        assert len(read_all(tmp_path, progress=False)[0]) == 1
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "all")], check=True)  # deeper than Python's own way goes


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b", "a.csv\x00"])
def test_names_that_no_system_takes(name):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read(name)


def test_no_reader_opens_a_device_by_itself(tmp_path, monkeypatch):
    """The guard looks before it opens: opening a pipe or a tape can block or move it."""
    opened = []
    original = builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda file, *args, **kwargs: opened.append(str(file)) or original(file, *args, **kwargs)
    )
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="named pipe"):
        read(tmp_path / "a.csv")
    assert not opened
