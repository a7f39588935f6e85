"""Train an encoder, stop it, go on, distil it and use it: the listing of docs/train_an_encoder.md.

python examples/train_an_encoder.py          # about a minute; prints what the page shows
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import biosig
from biosig.estimators import DistilledEncoder, MaskedAutoencoder
from biosig.heart import ppg_targets
from biosig.signals import Gate
from biosig.signals.storage import open_window_files, write_windows

STEPS = {"n_steps": 120, "batch_size": 32, "random_state": 0, "n_jobs": 2}


def main(folder: Path) -> None:
    print("1. windows, one file a recording")
    for recording in biosig.simulate_cohort(12, 900, random_state=0):
        windows = biosig.segment(recording, length=30, sampling_rate=32, gate=Gate())
        write_windows(windows, folder / "windows" / f"{recording.attrs['participant']}.nc")
    files = open_window_files([folder / "windows"])
    ppg, accel = [file["ppg"] for file in files], [file["accel"] for file in files]  # still on disk
    people = np.concatenate([file["participant"] for file in files])
    starts = np.concatenate([file["start"] for file in files])
    print(f"   {len(people)} windows of {len(files)} people")

    print("2. a teacher, interrupted after 50 steps")

    def interrupt(progress):
        if progress.step == 50:
            raise KeyboardInterrupt

    settings = {**STEPS, "validation_fraction": 0.2, "checkpoint": folder / "checkpoint"}
    often = {"checkpoint_every": 0.0}
    try:
        MaskedAutoencoder(32, **settings, options={**often, "callback": interrupt}).fit(ppg, groups=people)
    except KeyboardInterrupt:
        print(f"   left behind: {', '.join(sorted(path.name for path in (folder / 'checkpoint').iterdir()))}")

    print("3. the same again: it goes on")
    teacher = MaskedAutoencoder(32, **settings, options=often).fit(ppg, groups=people)
    whole = MaskedAutoencoder(32, **{**settings, "checkpoint": None}).fit(ppg, groups=people)
    same = all(np.array_equal(values, whole.weights_[name]) for name, values in teacher.weights_.items())
    curve = teacher.history_
    print(f"   {len(curve['loss'])} steps, weights those of a training never interrupted: {same}")
    for step, loss in list(zip(curve["validation_step"], curve["validation_loss"], strict=True))[3::4]:
        print(f"   step {step:3}: loss on people held out {loss:.2f}")

    print("4. a student of acceleration, distilled from it, trained further, saved")
    student = DistilledEncoder(teacher, 32, **STEPS).fit(accel, ppg, groups=people, starts=starts)
    student.partial_fit(accel, ppg, groups=people, starts=starts)
    student.save(folder / "student")
    losses = student.history_["loss"]
    print(f"   {len(losses)} steps, loss {np.mean(losses[:10]):.2f} to {np.mean(losses[-10:]):.2f}")

    print("5. embeddings of acceleration, read by a ridge with people held out")
    encoder = biosig.load_encoder(folder / "student")
    embedding = encoder.transform(accel)
    heart_rate = np.concatenate([ppg_targets(x.to_numpy(), 32)["heart_rate"] for x in ppg])
    known = np.isfinite(heart_rate)
    probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9)))
    told = cross_val_predict(probe, embedding[known], heart_rate[known], groups=people[known], cv=GroupKFold(4))
    constant = np.abs(heart_rate[known] - heart_rate[known].mean()).mean()
    print(f"   {embedding.shape[0]} windows, {embedding.shape[1]} features each")
    print(f"   heart rate off by {np.abs(told - heart_rate[known]).mean():.1f} beats/min; the mean by {constant:.1f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
