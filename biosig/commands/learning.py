"""``biosig pretrain``, ``distill`` and ``embed``: from windows on disk to encoders and embeddings on disk."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from biosig._files import atomic_path, check_target_file, check_target_folder, write_text
from biosig.commands.arguments import add_training
from biosig.commands.simulated import add_stream, stream_of

CHECKPOINT = "checkpoint"


def add(commands) -> None:
    """Add the parsers of the three commands."""
    again = "; the same command goes on where it was interrupted or killed"
    pretrain = commands.add_parser("pretrain", help=f"train an encoder of one sensor, without labels{again}")
    _add_windows(pretrain, nargs="*")
    pretrain.add_argument("--out", type=Path, required=True, help="folder for the encoder and its checkpoints")
    add_stream(pretrain)
    pretrain.add_argument("--modality", choices=("ppg", "accel"), default="ppg", help="(%(default)s)")
    pretrain.add_argument("--method", choices=("mae", "contrastive"), default="mae", help="(%(default)s)")
    add_training(pretrain, steps=400)
    pretrain.set_defaults(run=_pretrain)

    distill = commands.add_parser("distill", help=f"train an encoder of acceleration on a frozen encoder of PPG{again}")
    _add_windows(distill, nargs="*")
    distill.add_argument("--teacher", type=Path, required=True, help="folder of the encoder of PPG")
    distill.add_argument("--out", type=Path, required=True, help="folder for the encoder and its checkpoints")
    add_stream(distill)
    distill.add_argument("--objective", choices=("infonce", "l2", "cosine"), default="infonce", help="(%(default)s)")
    add_training(distill, steps=400)
    distill.set_defaults(run=_distill)

    embed = commands.add_parser("embed", help="one row of features a window, with participant, session and start")
    _add_windows(embed)
    embed.add_argument("--encoder", type=Path, required=True, help="folder of the encoder")
    embed.add_argument("--out", type=Path, required=True, help="file, .nc or .csv")
    embed.add_argument("--jobs", type=int, help="threads; all cores without it")
    embed.set_defaults(run=_embed)


def _add_windows(parser: argparse.ArgumentParser, nargs: str = "+") -> None:
    parser.add_argument(
        "windows", type=Path, nargs=nargs, metavar="WINDOWS", help="files made by 'biosig windows', or folders of such"
    )


class _Windows:
    """The signals of some files, left on disk, and the columns of all their windows."""

    def __init__(self, paths: list[Path], left_out: list[tuple[str, str]] | None = None):
        from biosig.signals.storage import COLUMNS, open_window_files

        self._files = open_window_files(paths, left_out)
        self.sampling_rate = float(self._files[0].attrs["sampling_rate"])
        self.columns = {name: np.concatenate([file[name].values for file in self._files]) for name in COLUMNS}

    def signal(self, modality: str) -> list:
        if modality not in self._files[0]:
            raise ValueError(f"the windows hold no {modality}; cut them from recordings that have it")
        return [file[modality] for file in self._files]


def _settings(options: argparse.Namespace, rate: float) -> dict[str, Any]:
    """Return the parameters that encoders share, and refuse a folder in which something else would be overwritten."""
    folder = options.out
    check_target_folder(folder, "the encoder")
    if (folder / "config.json").exists() and not (folder / CHECKPOINT).is_dir():
        raise ValueError(f"{folder} already holds an encoder, and no checkpoint of this training; give another folder")
    further: dict[str, Any] = {"checkpoint_every": options.checkpoint_every}
    if options.patience:
        further["patience"] = options.patience
    return {
        "sampling_rate": rate,
        "architecture": options.architecture,
        "size": options.size,
        "n_steps": options.steps,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "validation_fraction": options.validation,
        "checkpoint": folder / CHECKPOINT,
        "options": further,
        "random_state": options.seed,
        "n_jobs": options.jobs,
        "verbose": 1,
    }


def _pretrain(options: argparse.Namespace) -> None:
    from biosig.estimators import ContrastiveEncoder, MaskedAutoencoder

    stream = stream_of(options)
    methods: dict[str, type[MaskedAutoencoder | ContrastiveEncoder]]
    methods = {"mae": MaskedAutoencoder, "contrastive": ContrastiveEncoder}
    if stream:
        encoder = methods[options.method](modality=options.modality, **_settings(options, stream.sampling_rate))
        encoder.fit(stream)
    else:
        windows = _Windows(options.windows)
        encoder = methods[options.method](modality=options.modality, **_settings(options, windows.sampling_rate))
        encoder.fit(windows.signal(options.modality), groups=windows.columns["participant"])
    _save(encoder, options.out)


def _distill(options: argparse.Namespace) -> None:
    from biosig.estimators import DistilledEncoder

    stream = stream_of(options)
    windows = stream or _Windows(options.windows)
    encoder = DistilledEncoder(
        options.teacher, objective=options.objective, **_settings(options, windows.sampling_rate)
    )
    if isinstance(windows, _Windows):
        columns = windows.columns
        accel, ppg = windows.signal("accel"), windows.signal("ppg")
        encoder.fit(accel, ppg, groups=columns["participant"], starts=columns["start"])
    else:
        encoder.fit(windows)
    _save(encoder, options.out)


def _save(encoder, folder: Path) -> None:
    encoder.save(folder)
    history = encoder.history_
    last = f"last loss {history['loss'][-1]:.4f}"
    if history.get("validation_loss"):
        last += f", best on people held out {min(history['validation_loss']):.4f} after step {encoder.state_.step}"
    last += f", {history['wait_share']:.0%} of the time waiting for windows"
    print(f"{type(encoder).__name__} after {len(history['loss'])} steps ({last}) in {folder}")


def _embed(options: argparse.Namespace) -> None:
    import biosig
    from biosig.training import embed

    check_target_file(options.out, (".nc", ".csv"), "embeddings", options.windows)
    left_out: list[tuple[str, str]] = []
    encoder, windows = biosig.load_encoder(options.encoder), _Windows(options.windows, left_out)
    config = encoder.config_
    if windows.sampling_rate != config["sampling_rate"]:
        raise ValueError(
            f"the windows are at {windows.sampling_rate:g} Hz, the encoder takes {config['sampling_rate']:g} Hz: cut "
            f"them with 'biosig windows --rate {config['sampling_rate']:g}'"
        )
    signal = windows.signal(config["modality"])
    embedding = embed(signal, config, encoder.weights_, n_jobs=options.jobs, progress=True)
    _write_table(embedding, encoder.get_feature_names_out(), windows.columns, options.out)
    for name, why in left_out:
        print(f"left out {name}: {why}")
    print(f"{len(embedding)} windows, {embedding.shape[1]} features each, in {options.out}")


def _write_table(embedding: np.ndarray, names: np.ndarray, columns: dict[str, np.ndarray], path: Path) -> None:
    if path.suffix == ".csv":
        import pandas as pd

        from biosig._csv import as_csv

        table = pd.concat([pd.DataFrame(columns), pd.DataFrame(embedding, columns=names)], axis=1)
        write_text(path, as_csv(table))
        return
    import xarray as xr

    coords = {name: ("window", values) for name, values in columns.items()}
    dataset = xr.Dataset(
        {"embedding": (("window", "feature"), embedding)}, coords={**coords, "feature": names.astype(str)}
    )
    with atomic_path(path) as temporary:
        dataset.to_netcdf(temporary, engine="scipy", format="NETCDF3_64BIT")
