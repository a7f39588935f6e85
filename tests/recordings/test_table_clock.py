"""Clocks of tables: counters, wraps, time stamps, zones, durations and the phone's own time."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.recordings import read, read_table
from biosig.recordings.time_stamps import local_to_utc
from biosig.recordings.time_units import (
    PER_SECOND,
    SAMPLE_RATES,
    UNIX_YEARS,
    infer_unit,
    samples_per_unit,
    unit_by_span,
)

N = 400


def write(path, stamps, head="time", *, others=None):
    """A table of a PPG with the given time stamps and further columns before it."""
    columns = {head: list(stamps), **(others or {}), "ppg": np.round(np.sin(np.arange(len(stamps))), 4)}
    lines = [",".join(columns)] + [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def iso(start: str, rate=50.0, n=N, zone=None, aware=True, offset=0.0):
    """Time stamps of a clock that runs evenly, as a wall clock in `zone` shows it."""
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    moments = [first + timedelta(seconds=offset + i / rate) for i in range(n)]
    if zone:
        moments = [moment.astimezone(ZoneInfo(zone)) for moment in moments]
    return [moment.isoformat() if aware else moment.replace(tzinfo=None).isoformat() for moment in moments]


@given(
    st.sampled_from(list(PER_SECOND)),
    st.floats(*UNIX_YEARS, exclude_max=True),
    st.floats(4.2, 5000.0),
    st.integers(20, 300),
)
def test_unix_times_in_any_unit_are_known_or_refused(unit, start, rate, n):
    values = np.floor((start + np.arange(n) / rate) * PER_SECOND[unit] + 0.5 * (unit != "s"))
    if unit == "s":
        values = start + np.arange(n) / rate
    try:
        assert infer_unit(values, SAMPLE_RATES, "file", "time") == unit
    except ValueError as error:
        # A clock of ms cannot hold more than 1000 samples/s; and near 2100 the middle may lie beyond.
        assert rate > 900 or start > UNIX_YEARS[1] - 400, error


@given(st.sampled_from(list(PER_SECOND)), st.floats(0.0, 3e6), st.sampled_from([12.5, 25.0, 50.0, 100.0, 128.0, 400.0]))
def test_counters_since_boot_are_never_unix_times(unit, uptime, rate):
    values = np.floor((uptime + np.arange(200) / rate) * PER_SECOND[unit] * (1 if unit != "s" else 1e6)) / (
        1 if unit != "s" else 1e6
    )
    with pytest.raises(ValueError, match="tells the unit") as error:
        infer_unit(values, SAMPLE_RATES, "file", "time")
    offered = dict(re.findall(r"time_unit='(\w+)' \(([\d.e+]+) samples/s\)", str(error.value)))
    assert float(offered[unit]) == pytest.approx(rate, rel=0.01)


def test_slow_unix_times_and_quick_counters_look_alike(tmp_path):
    path = write(tmp_path / "a.csv", 1_700_000_000_000 + 1000 * np.arange(N))
    with pytest.raises(ValueError, match=r"time_unit='ms' \(1 samples/s\) or time_unit='us' \(1000 samples/s\)"):
        read(path)
    assert read(path, time_unit="ms").attrs["start_time"] == "2023-11-14T22:13:20Z"
    assert read(path, time_unit="us").attrs["start_time_from"] == "not known"


@given(
    st.floats(5, 500),
    st.floats(0, 0.3),
    st.floats(0, 0.05),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 3e8, 4e6]),
)
def test_the_rate_survives_jitter_loss_and_jumps(rate, jitter, loss, seed, jump):
    rng = np.random.default_rng(seed)
    ticks = np.flatnonzero(rng.random(3000) >= loss)
    times = np.sort(ticks + jitter * rng.standard_normal(len(ticks))) / rate
    times[len(times) // 3 :] += jump
    assert samples_per_unit(times) == pytest.approx(rate * (1 - loss), rel=0.05)


def test_the_rate_of_packets():
    times = (np.arange(1800) // 18) * 0.133 + 2e-5 * (np.arange(1800) % 18)
    assert samples_per_unit(times) == pytest.approx(18 / 0.133, rel=0.05)


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        *(("time_ms", "ms"), ("timestampNs", "ns"), ("Time (us)", "us"), ("millis", "ms"), ("micros", "us")),
        *(
            ("seconds_elapsed", "s"),
            ("t [s]", "s"),
            ("elapsed_ms", "ms"),
            ("uptime_us", "us"),
            ("Timestamp [µs]", "us"),
        ),
    ],
)
def test_units_in_column_names(tmp_path, head, unit):
    stamps = np.round((100 + np.arange(N) / 50) * PER_SECOND[unit], 6)
    recording = read(write(tmp_path / "a.csv", stamps.astype(int) if unit != "s" else stamps, head))
    assert recording.ppg.attrs["sampling_rate"] == pytest.approx(50)
    assert recording.attrs["time_unit_in_file"] == unit
    assert recording.attrs["time_unit_from"] == "column name"
    assert (recording.attrs["start_time"], recording.attrs["start_time_from"]) == ("1970-01-01T00:00:00Z", "not known")


def test_a_unit_in_the_name_that_cannot_be_right(tmp_path):
    path = write(tmp_path / "a.csv", np.round(np.arange(N) / 50, 3), "time_ms")
    with pytest.raises(ValueError, match=r"5e\+04 samples/s in the unit of its name, ms.*time_unit='s' \(50"):
        read(path)
    assert read(path, time_unit="s").ppg.attrs["sampling_rate"] == pytest.approx(50)


@pytest.mark.parametrize("first", [0, 1955431849769, 2_000_123_456])
def test_a_stated_unit_gives_a_start_only_to_plausible_dates(tmp_path, first):
    path = write(tmp_path / "a.csv", first + 20_000_000 * np.arange(N), "timestamp")
    with pytest.raises(ValueError, match=r"state time_unit='ns' \(50 samples/s\)$"):
        read(path)
    recording = read(path, time_unit="ns")
    assert recording.ppg.attrs["sampling_rate"] == pytest.approx(50)
    assert recording.attrs["start_time_from"] == "not known"
    stated = read(path, time_unit="ns", start_time="2020-01-01T00:00:00Z").attrs
    assert (stated["start_time"], stated["start_time_from"]) == ("2020-01-01T00:00:00Z", "stated")


def test_a_clock_that_is_set_after_its_first_samples_keeps_its_date(tmp_path):
    stamps = np.arange(N) / 50 + np.where(np.arange(N) < 100, 5.0, 1.7e9)
    recording = read(write(tmp_path / "a.csv", [f"{s:.3f}" for s in stamps]))
    assert recording.attrs["start_time"] == "1970-01-01T00:00:05Z"
    assert float(recording.time_ppg[-1]) == pytest.approx(stamps[-1] - 5.0)


def test_unix_times_of_the_year_2000(tmp_path):
    stamps = [f"{947334600 + i / 50:.3f}" for i in range(N)]
    assert read(write(tmp_path / "a.csv", stamps)).attrs["start_time"] == "2000-01-08T12:30:00Z"


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("signed", [False, True])
def test_counters_that_wrap(tmp_path, bits, signed):
    unit, step = ("ms", 20) if bits == 16 else ("us", 20_000)
    counts = (2**bits - 100 * step + step * np.arange(N)) % 2**bits - (2 ** (bits - 1) if signed else 0)
    path = write(tmp_path / "a.csv", counts, f"time_{unit}")
    with pytest.raises(ValueError, match=rf"a counter that begins again; state wraps_at={2**bits}"):
        read(path)
    recording = read(path, wraps_at=2**bits)
    np.testing.assert_allclose(recording.time_ppg, 0.02 * np.arange(N), atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([2**16, 2**32, 1e6]), st.integers(2, 400))
def test_unwrapping_agrees_with_the_counter_that_never_wraps(seed, period, n):
    from biosig.recordings.table_clock import _unwrapped

    rng = np.random.default_rng(seed)
    true = rng.uniform(0, period) + np.cumsum(rng.uniform(0, 0.45 * period, n))
    found = _unwrapped(true % period, period, "file")
    np.testing.assert_allclose(np.diff(found), np.diff(true), atol=1e-6 * period)


@pytest.mark.parametrize("wraps_at", [0, -1, True, "32", float("nan"), float("inf")])
def test_wrong_wraps(tmp_path, wraps_at):
    with pytest.raises(ValueError, match="wraps_at is"):
        read(write(tmp_path / "a.csv", np.arange(N), "time_ms"), wraps_at=wraps_at)
    with pytest.raises(ValueError, match="does not fit wraps_at=256"):
        read(write(tmp_path / "a.csv", 20 * np.arange(N), "time_ms"), wraps_at=256)


@pytest.mark.parametrize(
    "form",
    [
        lambda s: str(pd.Timedelta(seconds=s)),
        lambda s: str(timedelta(days=1, seconds=s)),
        lambda s: f"{int(s // 3600):02}:{int(s // 60 % 60):02}:{s % 60:06.3f}",
        lambda s: pd.Timedelta(seconds=s).isoformat(),
        lambda s: f"P0DT0H0M{s:.3f}S",
    ],
)
def test_durations_as_text(tmp_path, form):
    recording = read(write(tmp_path / "a.csv", [f'"{form(3599 + i / 50)}"' for i in range(N)], "time"))
    np.testing.assert_allclose(recording.time_ppg, np.arange(N) / 50, atol=2e-3)
    assert recording.attrs["start_time_from"] == "not known"


def test_times_of_day_that_pass_midnight(tmp_path):
    stamps = [
        (datetime(2024, 5, 1, 23, 59, 58) + timedelta(seconds=i / 50)).time().isoformat("milliseconds")
        for i in range(N)
    ]
    path = write(tmp_path / "a.csv", stamps, "time")
    with pytest.raises(ValueError, match="times of day that pass midnight; state wraps_at=86400"):
        read(path)
    np.testing.assert_allclose(read(path, wraps_at=86400).time_ppg, np.arange(N) / 50, atol=1e-3)


@pytest.mark.parametrize(
    ("stamps", "start"),
    [
        (iso("2024-10-27T00:59:58", zone="Europe/London"), "2024-10-27T00:59:58Z"),
        ([s + "[Europe/London]" for s in iso("2024-10-27T00:59:58", zone="Europe/London")], "2024-10-27T00:59:58Z"),
        ([s + "[America/Chicago]" for s in iso("2024-07-01T05:00:00", zone="America/Chicago", aware=False)], None),
        ([s.replace("+00:00", " UTC") for s in iso("2024-07-01T05:00:00")], "2024-07-01T05:00:00Z"),
        ([s.replace("+00:00", "Z").replace("T", " ") for s in iso("2024-07-01T05:00:00")], "2024-07-01T05:00:00Z"),
        (iso("1969-07-20T20:17:40"), "1969-07-20T20:17:40Z"),
        (iso("1987-01-01T00:00:00", aware=False), "1987-01-01T00:00:00Z"),
    ],
)
def test_stamps_with_zones(tmp_path, stamps, start):
    recording = read(write(tmp_path / "a.csv", stamps))
    np.testing.assert_allclose(recording.time_ppg, np.arange(N) / 50, atol=1e-6)
    assert recording.attrs["start_time"] == (start or "2024-07-01T05:00:00Z")


@pytest.mark.parametrize(
    "begin", ["2024-10-27T00:59:56", "2024-10-26T23:59:58", "2024-10-27T00:10:00", "2024-10-27T01:59:58"]
)
def test_local_times_through_the_hour_that_comes_twice(tmp_path, begin):
    path = write(tmp_path / "a.csv", iso(begin, zone="Europe/London", aware=False))
    recording = read(path, timezone="Europe/London")
    np.testing.assert_allclose(recording.time_ppg, np.arange(N) / 50, atol=1e-6)
    assert recording.attrs["start_time"] == begin + "Z"
    if begin == "2024-10-27T00:59:56":
        with pytest.raises(ValueError, match="if the local clock was put back in autumn, state timezone="):
            read(path)


def test_local_times_through_the_hour_that_is_skipped(tmp_path):
    path = write(tmp_path / "a.csv", iso("2024-03-31T00:59:56", zone="Europe/London", aware=False))
    np.testing.assert_allclose(read(path, timezone="Europe/London").time_ppg, np.arange(N) / 50, atol=1e-6)
    with pytest.warns(UserWarning, match=r"jumps by an hour at row 201, as where clocks go forward.*timezone="):
        read(path)
    path = write(tmp_path / "b.csv", iso("2024-03-31T00:59:56", aware=False))
    with pytest.raises(ValueError, match=r"01:00:00 at row 201 does not exist in Europe/London.*timezone='\+00:00'"):
        read(path, timezone="Europe/London")
    assert read(path, timezone="+02:00").attrs["start_time"] == "2024-03-30T22:59:56Z"


@given(
    st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    st.integers(0, 366 * 24 * 4),
    st.floats(0.001, 2000.0),
    st.floats(0.0, 0.2),
    st.integers(0, 2**32 - 1),
)
def test_local_times_of_any_night_keep_their_rate(zone, quarter, step, jitter, seed):
    rng = np.random.default_rng(seed)
    true = 1704067200 + 900 * quarter + step * (np.arange(200) + jitter * rng.uniform(-1, 1, 200))
    true = np.round(true * 1e6).astype(np.int64) * 1000
    shown = pd.DatetimeIndex(true.view("datetime64[ns]")).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    found = local_to_utc(shown.as_unit("ns").asi8, zone, "file")
    if (shown.as_unit("ns").asi8 != shown[0].value).any() and step * 200 > 3 * 3600:
        np.testing.assert_array_equal(found, true)  # the hour's other side is seen
    else:
        assert abs(np.diff(found) - np.diff(true)).max() in (0, *(60 * 10**9 * m for m in (30, 60)))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", 5, "+99:00"])
def test_unknown_zones(tmp_path, zone):
    with pytest.raises(ValueError, match=r"zone.* expected a name such as 'Europe/London'"):
        read(write(tmp_path / "a.csv", iso("2024-05-01T00:00:00", aware=False)), timezone=zone)


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (["2024-05-01T00:00:00Z", "2024-05-01T00:00:01"] * 5, "some stamps have a zone and others have none"),
        (["2024-05-01T00:00:00Z", "noon"] * 5, "others have none, first 'noon' at row 2"),
        (["2024-05-01T00:00:00", "noon"] * 5, "neither numbers nor ISO 8601 text nor durations"),
        (["2024-05-01T00:00:00Z", "17"] * 5, "some stamps have a zone"),
        (["17", "2024-05-01T00:00:00Z"] * 5, "line 3: '2024-05-01T00:00:00Z' where a number was expected"),
        (["2024-05-01T00:00:00[A/B]", "2024-05-01T00:00:01[C/D]"], "name 2 zones"),
        (["00:00:01.0", "2024-05-01T00:00:00"], "neither numbers nor ISO 8601"),
        (["9999-12-31T00:00:00", "9999-12-31T00:00:01"], "neither numbers nor ISO 8601"),
        (["1e308", "1.1e308"], "tells the unit"),
        (["1e308", "-1e308"], "tells the unit"),
        (["inf", "0"], "row 1 of column 'time' has no time"),
    ],
)
def test_stamps_that_cannot_be_used(tmp_path, stamps, message):
    with pytest.raises(ValueError, match=message) as error:
        read(write(tmp_path / "a.csv", stamps))
    assert "\n" not in str(error.value)


def test_absurd_times_in_a_stated_unit(tmp_path):
    path = write(tmp_path / "a.csv", [0.0, 0.02, 1e308, 0.06])
    with pytest.raises(ValueError, match=r"1e\+308 s at row 3 lies more than 300 years from the first row"):
        read(path, time_unit="s")


def test_negative_times_count_from_a_trigger(tmp_path):
    recording = read(write(tmp_path / "a.csv", np.round(np.arange(N) / 50 - 4, 3), "time_s"))
    np.testing.assert_allclose(recording.time_ppg, np.arange(N) / 50, atol=1e-9)


@pytest.mark.parametrize("sensor", ["sensor timestamp [ns]", "timestamp", "sensor_time_us", "elapsed_s"])
def test_the_phone_gives_the_date_and_the_sensor_the_spacing(tmp_path, sensor):
    true = np.arange(N) / 52
    per = {"sensor timestamp [ns]": 1e9, "timestamp": 1e9, "sensor_time_us": 1e6, "elapsed_s": 1.0}[sensor]
    counts = np.round((825672600 + true) * per).astype(np.int64) if per > 1 else np.round(true + 77, 5)
    arrival = np.ceil(np.arange(1, N + 1) / 20) * 20 / 52  # packets of 20
    phone = [(datetime(2026, 3, 1, 9, 30, tzinfo=UTC) + timedelta(seconds=s)).isoformat()[:-6] for s in arrival]
    recording = read(write(tmp_path / "a.csv", phone, "Phone timestamp", others={sensor: counts}))
    np.testing.assert_allclose(recording.time_ppg, true, atol=2e-5)
    start = datetime.fromisoformat(recording.attrs["start_time"])
    assert abs((start - datetime(2026, 3, 1, 9, 30, tzinfo=UTC)).total_seconds()) < 0.05
    assert recording.attrs["start_time_from"] == "column 'Phone timestamp'"


def test_polars_epoch_where_no_phone_time_is(tmp_path):
    counts = (704201974831254116 + 20_000_000 * np.arange(N)).tolist()
    attrs = read(write(tmp_path / "a.csv", counts, "sensor timestamp [ns]")).attrs
    assert attrs["start_time"].startswith("2022-04-25T11:39:34.83")
    assert "as Polar's devices count" in attrs["start_time_from"]


def test_a_wrapping_counter_without_a_unit_beside_a_date(tmp_path):
    counts = (2**32 - 1_000_000 + 20_000 * np.arange(N)) % 2**32
    path = write(tmp_path / "a.csv", counts, "timestamp", others={"datetime": iso("2024-05-01T08:30:00")})
    recording = read(path, wraps_at=2**32)
    assert (recording.attrs["time_column"], recording.attrs["time_unit_in_file"]) == ("timestamp", "us")
    np.testing.assert_allclose(recording.time_ppg, np.arange(N) / 50, atol=1e-9)
    assert recording.attrs["start_time"] == "2024-05-01T08:30:00Z"


def test_a_coarse_clock_beside_a_fine_one(tmp_path):
    stamps = [stamp[:19] for stamp in iso("2024-05-01T08:30:00")]
    recording = read(write(tmp_path / "a.csv", stamps, "datetime", others={"millis": 7000 + 20 * np.arange(N)}))
    np.testing.assert_allclose(recording.time_ppg, np.arange(N) / 50, atol=1e-9)
    assert recording.attrs["start_time"] == "2024-05-01T08:30:00Z"


def test_a_column_that_is_no_clock_beside_one_that_is(tmp_path):
    counts = np.arange(N) * 7
    recording = read(write(tmp_path / "a.csv", counts, "t", others={"datetime": iso("2024-05-01T08:30:00")}))
    assert recording.attrs["time_column"] == "datetime"
    assert recording.attrs["time_column_left_out"].startswith("t: ")


def test_a_stated_rate_takes_the_date_from_the_time_column(tmp_path):
    stamps = [stamp[:19] for stamp in iso("2024-05-01T08:30:00")]
    recording = read(write(tmp_path / "a.csv", stamps, "datetime"), sampling_rate=50)
    assert recording.attrs["start_time"] == "2024-05-01T08:30:00Z"
    np.testing.assert_allclose(recording.time_ppg, np.arange(N) / 50)
    path = write(tmp_path / "b.csv", ["noon"] * N, "datetime")
    assert read(path, sampling_rate=50).attrs["start_time_from"] == "not known"


def test_span_of_another_clock():
    times = np.arange(100) / 50
    assert [unit_by_span(77 + times * per, times) for per in PER_SECOND.values()] == list(PER_SECOND)
    assert unit_by_span(times * 7e4, times * 100) is None


class TestOrder:
    """Rows out of order, copies and repeats: which of them it is, and what helps."""

    stamps = 20 * np.arange(N)

    def table(self, tmp_path, order):
        rows = np.asarray(order)
        path = tmp_path / "a.csv"
        ppg = np.round(np.sin(np.arange(N)), 4)
        path.write_text("time_ms,ppg\n" + "".join(f"{self.stamps[i]},{ppg[i]}\n" for i in rows))
        return path, ppg

    def test_out_of_order(self, tmp_path):
        order = np.random.default_rng(0).permutation(N)
        path, ppg = self.table(tmp_path, order)
        with pytest.raises(
            ValueError, match=r"time runs backwards at row \d+ by .* the rows are out of order; state sort=True"
        ):
            read(path)
        recording = read(path, sort=True)
        np.testing.assert_allclose(recording.time_ppg, self.stamps / 1000)
        np.testing.assert_allclose(recording.ppg[:, 0], ppg, atol=1e-6)
        assert recording.attrs["n_rows_out_of_order"] == int((np.diff(order) < 0).sum())

    @pytest.mark.parametrize(
        "order", [[*range(300), *range(200, N)], np.repeat(np.arange(N), 2), [*range(N), *range(N)]]
    )
    def test_exact_copies(self, tmp_path, order):
        path, ppg = self.table(tmp_path, order)
        with pytest.raises(ValueError, match=r"exact copies of .*drop_copies=True"):
            read(path)
        recording = read(path, drop_copies=True)
        np.testing.assert_allclose(recording.ppg[:, 0], ppg, atol=1e-6)
        assert recording.attrs["n_copies_dropped"] == len(order) - N

    def test_a_clock_that_is_set_back(self, tmp_path):
        stamps = 1.7e9 + np.arange(N) / 50
        stamps[200:] -= 3e8
        path = write(tmp_path / "a.csv", [f"{s:.3f}" for s in stamps])
        with pytest.raises(
            ValueError, match=r"backwards at row 201 by 3472 days \(1 such rows\): a clock that was set back"
        ):
            read(path)
        recording = read(path, sort=True)
        assert recording.sizes["time_ppg"] == N
        assert recording.attrs["start_time"].startswith("2014-05-13")

    @pytest.mark.parametrize("stamp", ["4071000000.000", "0.000"])
    def test_a_single_stray_stamp_is_dropped(self, tmp_path, stamp):
        stamps = [f"{1.7e9 + i / 50:.3f}" for i in range(N)]
        stamps[77] = stamp
        recording = read(write(tmp_path / "a.csv", stamps))
        assert recording.sizes["time_ppg"] == N - 1
        assert recording.attrs["n_stray_times"] == 1

    def test_jumps_forward_stay(self, tmp_path):
        stamps = 1.7e9 + np.arange(N) / 50 + np.where(np.arange(N) > 200, 48.3 * 86400, 0.0)
        recording = read(write(tmp_path / "a.csv", [f"{s:.3f}" for s in stamps]))
        assert recording.sizes["time_ppg"] == N
        assert float(recording.time_ppg[-1]) == pytest.approx(stamps[-1] - stamps[0])

    @pytest.mark.parametrize("shared", [2, 18])
    def test_samples_that_share_a_time_stay(self, tmp_path, shared):
        n = 40 * 18
        stamps = (np.arange(n) // shared) * shared * 20
        recording = read(write(tmp_path / "a.csv", stamps, "time_ms"))
        assert recording.sizes["time_ppg"] == n
        assert recording.attrs["n_shared_times"] == n - n // shared
        assert recording.ppg.attrs["sampling_rate"] == pytest.approx(50, rel=0.01)

    def test_a_slow_sensor_beside_one_whose_samples_share_times(self, tmp_path):
        stamps = 20 * np.arange(N)
        stamps[7] = stamps[6]
        still = [[0.0, 0.6, 0.8]] * N
        columns = {axis: [row[i] for row in still] for i, axis in enumerate("xyz")}
        recording = read(write(tmp_path / "a.csv", stamps, "time_ms", others=columns))
        assert (recording.sizes["time_ppg"], recording.sizes["time_accel"]) == (N, N - 1)

    def test_a_few_times_for_many_rows_are_no_clock(self, tmp_path):
        stamps = 1714552200 + 100 * (np.arange(N) // 100)
        with pytest.raises(ValueError, match="400 rows share 4 times, so the column is too coarse to be a clock"):
            read(write(tmp_path / "a.csv", stamps), time_unit="s")

    def test_nothing_is_changed_without_being_wanted(self, tmp_path):
        path, ppg = self.table(tmp_path, np.arange(N))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recording = read_table(path, sort=True, drop_copies=True)
        np.testing.assert_allclose(recording.ppg[:, 0], ppg, atol=1e-6)
        assert not any(name.startswith("n_") for name in recording.attrs)
