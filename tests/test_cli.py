"""The command as a user meets it: outputs whole, one line and status 2 for what is wrong, nothing after Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from biosig import doctor
from biosig.cli import main

BIOSIG = [sys.executable, "-m", "biosig.cli"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    assert main(["simulate", "--out", str(folder), "--participants", "6", "--minutes", "8"]) == 0
    return folder


def fails_in_one_line(capsys, *arguments: str) -> str:
    """Run the command, check status and form of what it says, return that."""
    assert main(list(arguments)) == 2
    said = capsys.readouterr().err
    error = [line for line in said.replace("\r", "\n").splitlines() if line.startswith("biosig: error: ")]
    assert len(error) == 1 and "Traceback" not in said
    return error[0]


def check_outputs(folder, n_participants):
    results = json.loads((folder / "results.json").read_text())
    cells = {(row["encoder"], row["target"]): row for row in results["comparison"]}
    for encoder in ("distilled student", "acceleration MAE", "supervised", "random encoder", "motion level alone"):
        for target in ("heart_rate", "sdnn", "rmssd"):
            assert 0 < cells[encoder, target]["coverage"] <= 1
            assert cells[encoder, target]["n_participants"] == n_participants
    assert ("training mean", "heart_rate") in cells
    students = ("distilled student", "distilled from slow movement alone")
    sought = {*students, *(f"{name}, in time" for name in students), "motion level alone"}
    assert {row["encoder"] for row in results["retrieval"]} == sought
    assert results["provenance"]["seed"] == 0 and len(results["provenance"]["data_hash"]) == 64
    page = (folder / "report.html").read_text()
    assert page.count("<svg") >= 4 and page.count("<script") == 1
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]
    assert (folder / "conformal.csv").exists()
    for encoder in ("hand-crafted features", "log spectrum", "classical: nightbeat"):
        assert cells[encoder, "heart_rate"]["mae"] > 0
    assert {row["target"] for row in results["people"]} == {"age", "sex", "bmi"}
    assert len(results["retrieval_back"]) == len(results["retrieval"])
    return results


def test_demo_makes_table_results_report_and_encoders(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--participants", "8", "--minutes", "8", "--steps", "2"]) == 0
    said = capsys.readouterr()
    assert "Heart rate: mean absolute error" in said.out and str(out / "report.html") in said.out
    check_outputs(out, 2)
    import biosig

    assert biosig.load_encoder(out / "student").config_["modality"] == "accel"
    assert biosig.load_encoder(out / "teacher").config_["modality"] == "ppg"


def test_experiment_in_folds_skips_and_counts_bad_files(simulated, tmp_path, capsys):
    for path in simulated.glob("*.nc"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 not really")
    out = tmp_path / "out"
    assert (
        main(["experiment", "--train", str(tmp_path), "--out", str(out), "--folds", "2", "--steps", "2", "--no-full"])
        == 0
    )
    results = check_outputs(out, 6)
    assert len(results["skipped"]) == 1 and "broken.zip" in results["skipped"][0]
    assert "broken.zip" in capsys.readouterr().out


def test_experiment_on_other_people(simulated, tmp_path):
    people = sorted(simulated.glob("*.nc"))
    for side, paths in (("train", people[:4]), ("test", people[4:])):
        (tmp_path / side).mkdir()
        for path in paths:
            (tmp_path / side / path.name).write_bytes(path.read_bytes())
    folders = ["--train", str(tmp_path / "train"), "--test", str(tmp_path / "test")]
    assert main(["experiment", *folders, "--out", str(tmp_path / "out"), "--steps", "2", "--no-full"]) == 0
    check_outputs(tmp_path / "out", 2)


class TestBadInput:
    def test_same_recording_on_both_sides(self, simulated, tmp_path, capsys):
        copy = tmp_path / "copy"
        copy.mkdir()
        path = sorted(simulated.glob("*.nc"))[0]
        (copy / path.name).write_bytes(path.read_bytes())
        said = fails_in_one_line(
            capsys, "experiment", "--train", str(simulated), "--test", str(copy), "--out", str(tmp_path / "out")
        )
        assert "same recording" in said

    def test_same_person_on_both_sides(self, simulated, tmp_path, capsys):
        said = fails_in_one_line(
            capsys, "experiment", "--train", str(simulated), "--test", str(simulated), "--same-people",
            "--out", str(tmp_path / "out"),
        )  # fmt: skip
        assert "in training and test" in said

    def test_labels_of_strangers(self, simulated, tmp_path, capsys):
        (tmp_path / "labels.csv").write_text("participant,smoker\nnobody,1\n")
        folders = ["--train", str(simulated), "--labels", str(tmp_path / "labels.csv"), "--out", str(tmp_path / "out")]
        said = fails_in_one_line(capsys, "experiment", *folders)
        assert "nobody" in said and "P001" in said

    def test_missing_and_empty_folders(self, tmp_path, capsys):
        out = str(tmp_path / "out")
        assert "nowhere" in fails_in_one_line(capsys, "experiment", "--train", str(tmp_path / "nowhere"), "--out", out)
        (tmp_path / "empty").mkdir()
        assert "empty" in fails_in_one_line(capsys, "experiment", "--train", str(tmp_path / "empty"), "--out", out)

    def test_all_files_bad(self, tmp_path, capsys):
        with zipfile.ZipFile(tmp_path / "S01.zip", "w") as archive:
            archive.writestr("BVP.csv", "1644226061\n64\nnonsense\n")
        (tmp_path / "S02.zip").write_bytes(b"nothing of the kind")
        said = fails_in_one_line(capsys, "experiment", "--train", str(tmp_path), "--out", str(tmp_path / "out"))
        assert "S01.zip" in said and "S02.zip" in said

    def test_recordings_shorter_than_a_window(self, tmp_path, capsys):
        assert main(["simulate", "--out", str(tmp_path / "r"), "--participants", "2", "--minutes", "0.5"]) == 0
        said = fails_in_one_line(capsys, "experiment", "--train", str(tmp_path / "r"), "--out", str(tmp_path / "out"))
        assert "none of the 2 recordings" in said and "60" in said

    def test_constant_and_missing_signals_do_not_pass_the_gate(self, tmp_path, capsys):
        from biosig.recordings import make_recording, write

        for number, value in enumerate((1.0, -1.0, np.nan)):
            recording = make_recording(
                accel=np.full((128 * 64, 3), value, np.float32),
                ppg=np.full((128 * 64, 1), value, np.float32),
                sampling_rate=64.0,
                participant=f"P{number}",
                session=f"P{number}",
            )
            write(recording, tmp_path / "flat" / f"P{number}.nc")
        said = fails_in_one_line(
            capsys, "experiment", "--train", str(tmp_path / "flat"), "--out", str(tmp_path / "out"), "--folds", "2"
        )
        assert "can be used" in said  # stuck and missing samples alike leave nothing to cut windows from

    def test_output_folder_is_a_file(self, tmp_path, capsys):
        (tmp_path / "out").write_text("")
        said = fails_in_one_line(capsys, "demo", "--quick", "--out", str(tmp_path / "out"))
        assert "out" in said

    def test_too_few_people(self, tmp_path, capsys):
        said = fails_in_one_line(capsys, "demo", "--participants", "3", "--out", str(tmp_path / "out"))
        assert "at least 5" in said

    @pytest.mark.parametrize(
        "arguments",
        [["demo", "--participants", "0"], ["demo", "--minutes", "nan"], ["demo", "--label-shares", "10"], ["nonsense"]],
    )
    def test_wrong_words(self, arguments, capsys):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_doctor_names_device_compiler_and_passes_its_self_test(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("device", "compiler", "threads", "tinygrad", "kernel cache"):
        assert word in said
    assert "FAILED" not in said and "MISSING" not in said
    assert "nets run on" in said and "set" in said.split("other devices")[1].splitlines()[0]


def test_doctor_says_what_to_set_for_a_gpu_that_it_sees(monkeypatch, tmp_path):
    node = tmp_path / "nvidia0"
    monkeypatch.setattr(doctor, "GRAPHICS", {"CUDA": str(node), "AMD": str(tmp_path / "kfd")})
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.delenv("DEV", raising=False)
    assert "no GPU seen" in doctor._other_devices()
    node.touch()
    assert "DEV=CUDA" in doctor._other_devices() and "AMD" not in doctor._other_devices()
    monkeypatch.setenv("DEV", "CUDA")
    assert "chosen by DEV" in doctor._other_devices()


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_in_training_leaves_no_half_file(tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*BIOSIG, "demo", "--participants", "6", "--minutes", "6", "--steps", "100000", "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job is born deaf to Ctrl-C, and its children with it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    seen = ""
    deadline = time.monotonic() + 120
    while "windows/s" not in seen and time.monotonic() < deadline:
        seen += process.stderr.read(200)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "interrupted" in rest and "Traceback" not in rest
    assert not out.exists() or not list(out.iterdir())
