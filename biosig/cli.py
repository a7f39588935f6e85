"""The command ``biosig``: each subcommand is one call into the library."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from biosig import __version__
from biosig._reasons import one_line
from biosig.commands import learning, preparing, tracking
from biosig.commands.arguments import ARCHITECTURES, count, positive, share
from biosig.commands.streams import forgiving_streams
from biosig.commands.unforeseen import report_unforeseen

_GATES = [10.0, 20.0, 50.0]  # mg


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Returns
    -------
    int
        0; 2 for an error with a known remedy, in one line; 1 for one that nobody foresaw, its traceback in a file that
        the line names; 130 after Ctrl-C. Nothing that goes wrong with standard error or a closed standard output stops
        the work; a standard output that takes no more (a full disk) gives 2 at the end.
    """
    warned = warnings.showwarning
    with forgiving_streams() as output:
        warnings.showwarning = _one_line_warning
        try:
            status = _run(argv)
        finally:
            warnings.showwarning = warned
        if not status and (failure := output.failure()):
            print(
                f"biosig: error: standard output took no more ({one_line(failure)}); files are whole", file=sys.stderr
            )
            return 2
        return status


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("\nbiosig: interrupted; files already complete were kept, nothing was left half-written", file=sys.stderr)
        return 130
    except (NotImplementedError, RecursionError) as error:  # RuntimeErrors that nobody meant for a reader
        return report_unforeseen(error)
    except (ValueError, OSError, FloatingPointError, ImportError, RuntimeError, MemoryError) as error:
        print(f"biosig: error: {one_line(error)}", file=sys.stderr)
        return 2
    except Exception as error:
        return report_unforeseen(error)
    return 0


def _one_line_warning(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"biosig: warning: {one_line(message)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="biosig",
        description="Heart rate, heart rate variability and distilled embeddings from wearable acceleration and PPG.",
    )
    parser.add_argument("--version", action="version", version=f"biosig {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="the whole method on a simulated cohort: table, results.json, report.html")
    demo.add_argument("--out", type=Path, default=Path("biosig-demo"), help="folder for the results (%(default)s)")
    demo.add_argument("--participants", type=count, default=128, help="simulated people (%(default)s)")
    demo.add_argument("--minutes", type=positive, default=40.0, help="length of each recording (%(default)s)")
    demo.add_argument("--device", default="watch", help="simulated sensor, see 'biosig simulate' (%(default)s)")
    demo.add_argument("--quick", action="store_true", help="a very small run that only shows that everything works")
    _training_options(demo, full=False, gates=[50.0])
    demo.epilog = "With --full: 5 seeds and 4 shares of labels unless told otherwise."
    demo.set_defaults(run=_demo)

    experiment = commands.add_parser("experiment", help="the same comparison on recordings")
    _recordings_options(experiment)
    _training_options(experiment, full=True, gates=_GATES)
    experiment.set_defaults(run=_experiment)

    evaluate = commands.add_parser(
        "evaluate", help="what trained encoders are worth on recordings: only probes are fitted"
    )
    evaluate.add_argument(
        "encoders", nargs="+", metavar="ENCODER", help="folder of an encoder, or accel-small or ppg-small"
    )
    _recordings_options(evaluate)
    _measuring_options(evaluate, gates=_GATES)
    evaluate.set_defaults(run=_evaluate)

    preparing.add(commands)
    learning.add(commands)
    tracking.add(commands)

    doctor = commands.add_parser("doctor", help="what this machine can do: device, compiler, threads, versions")
    doctor.set_defaults(run=_doctor)
    return parser


def _recordings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, nargs="+", required=True, metavar="DIR", help="folders of recordings")
    parser.add_argument(
        "--test",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of recordings of other people; without it, participant-wise folds over --train",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--folds", type=count, default=5, help="participant-wise folds without --test (%(default)s)")
    parser.add_argument("--stride", type=positive, default=30.0, help="seconds between windows (%(default)s)")
    parser.add_argument(
        "--same-people", action="store_true", help="equal names in different folders are the same person"
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="CSV of what is known of people: participant and a column a label"
    )


def _training_options(parser: argparse.ArgumentParser, *, full: bool, gates: list[float]) -> None:
    parser.add_argument("--steps", type=count, default=None, help="training steps of each encoder")
    parser.add_argument(
        "--architecture",
        choices=ARCHITECTURES,
        nargs="+",
        default=["conv"],
        help="families of encoder, the reference's first (conv)",
    )
    parser.add_argument(
        "--full",
        action=argparse.BooleanOptionalAction,
        default=full,
        help="compare the costly variants too (%(default)s)",
    )
    parser.add_argument("--seeds", type=count, help="times everything is trained anew (1)")
    _measuring_options(parser, gates=gates)


def _measuring_options(parser: argparse.ArgumentParser, *, gates: list[float]) -> None:
    parser.add_argument(
        "--label-shares",
        type=share,
        nargs="+",
        metavar="SHARE",
        help="also probe with the labels of these shares of the training people, 0 for one person",
    )
    parser.add_argument(
        "--gates",
        type=positive,
        nargs="+",
        default=gates,
        metavar="MG",
        help="stillness gates, mg: training is at the widest, errors and coverage are told at each "
        f"({' '.join(f'{gate:g}' for gate in gates)})",
    )
    parser.add_argument("--seed", type=int, default=0, help="makes the run repeat exactly (%(default)s)")


def _demo(options: argparse.Namespace) -> None:
    from biosig.evaluation.experiment import DEMO_SEEDS, DEMO_SHARES, demo

    whole = options.full and not options.quick
    demo(
        options.out,
        n_participants=12 if options.quick else options.participants,
        duration=600.0 if options.quick else 60 * options.minutes,
        device=options.device,
        architectures=options.architecture,
        n_steps=options.steps or (20 if options.quick else None),
        full=options.full,
        label_shares=options.label_shares or (DEMO_SHARES if whole else ()),
        n_seeds=options.seeds or (DEMO_SEEDS if whole else 1),
        gates=[gate / 1000 for gate in options.gates],
        random_state=options.seed,
    )


def _experiment(options: argparse.Namespace) -> None:
    from biosig.evaluation.experiment import experiment

    experiment(
        options.train,
        options.test,
        options.out,
        architectures=options.architecture,
        n_steps=options.steps,
        full=options.full,
        n_seeds=options.seeds or 1,
        **_given(options),
    )


def _evaluate(options: argparse.Namespace) -> None:
    from biosig.evaluation.experiment import evaluate

    evaluate(options.encoders, options.train, options.test, options.out, **_given(options))


def _given(options: argparse.Namespace) -> dict:
    """How recordings are cut, split and measured, as `experiment` and `evaluate` take it."""
    return {
        "n_folds": options.folds,
        "stride": options.stride,
        "same_people": options.same_people,
        "labels": options.labels,
        "label_shares": options.label_shares or (),
        "gates": [gate / 1000 for gate in options.gates],
        "random_state": options.seed,
    }


def _doctor(options: argparse.Namespace) -> None:
    from biosig.doctor import examine

    for line in examine():
        print(line)


if __name__ == "__main__":
    sys.exit(main())
