"""All that is read off the gathered predictions and embeddings: what a run found, ready to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from biosig.evaluation.cohort import Cohort
from biosig.evaluation.compare import Comparison, compare
from biosig.evaluation.conformal import conformal_coverage, error_against_coverage
from biosig.evaluation.contenders import ACCEL_MAE, SUPERVISED
from biosig.evaluation.gather import Gathered
from biosig.evaluation.people import probe_people
from biosig.evaluation.results import Results
from biosig.evaluation.subsets import errors_by_family, errors_by_gate, errors_on
from biosig.evaluation.visible_beat import HIDDEN, VISIBLE, visible_minutes, visible_people
from biosig.heart import detect_beats

UNITS = {"heart_rate": "beats/min", "sdnn": "ms", "rmssd": "ms"}
STILLEST = 0.015
"""g; below it the motion level alone hardly finds the right window, so that what retrieval shows is the heart."""


def measure(
    gathered: Gathered,
    reference: str,
    *,
    ceilings: Sequence[str],
    members: Mapping[str, Mapping[str, str]],
    gates: Sequence[float],
    random_state: int,
) -> Results:
    """Make the tables of a run.

    Parameters
    ----------
    gathered : Gathered
        With the cells of every split and seed.
    reference : str
        Entry that the others are compared with.
    ceilings : sequence of str
        Entries that see the PPG.
    members : mapping
        Encoders of each family, see `members_by_family`; empty where there is one.
    gates : sequence of float
        Motion gates (g) at which errors and coverage are told besides.
    random_state : int
        Seed of the intervals.

    Returns
    -------
    Results
        Without learning curves, label efficiency and provenance, which are not in `gathered`.
    """
    cohort, tested = gathered.cohort, gathered.split >= 0
    motion = cohort.table["motion"].to_numpy()
    comparison = _compared(gathered, reference, ceilings, random_state)
    seen = visible_people(visible_minutes(cohort, np.flatnonzero(cohort.still & tested), random_state=random_state))
    groups = {
        group: np.flatnonzero(np.isin(cohort.participants, seen.loc[seen["group"] == group, "participant"]))
        for group in (VISIBLE, HIDDEN)
    }
    people = None
    if cohort.people.shape[1]:
        labels = cohort.people.reindex(gathered.people)
        folds = gathered.person_folds()
        people = probe_people(gathered.person_embeddings(), labels, folds, random_state=random_state)
    results = Results(
        comparison=comparison,
        people=people,
        confidence=error_against_coverage(comparison.predictions, random_state=random_state),
        conformal=conformal_coverage(comparison.predictions, random_state=random_state),
        visible_beat=seen,
        visible_errors=errors_on(comparison, groups, "group", random_state=random_state),
        retrieval=gathered.retrieval(random_state=random_state),
        retrieval_back=gathered.retrieval(back=True, random_state=random_state),
        example=_example(cohort, np.flatnonzero(cohort.still & tested)),
    )
    if members:
        results.families = errors_by_family(comparison, members, random_state=random_state)
    if gates:
        results.gates = errors_by_gate(comparison, motion, int(tested.sum()), gates, random_state=random_state)
    if cohort.gate.max_motion > STILLEST:
        results.retrieval_still = gathered.retrieval(max_motion=STILLEST, random_state=random_state)
    return results


def _compared(gathered: Gathered, reference: str, ceilings: Sequence[str], random_state: int) -> Comparison:
    """The comparison on all test windows; entries that failed say why."""
    cohort, split = gathered.cohort, gathered.split
    tested = split >= 0
    comparison = compare(
        gathered.predictions(),
        cohort.targets,
        cohort.participants,
        **({"folds": split} if tested.all() else {"train": ~tested, "test": tested}),
        passed=cohort.still,
        motion=cohort.table["motion"].to_numpy(),
        reference=reference,
        rivals=[name for name in (ACCEL_MAE, SUPERVISED) if name in gathered.predicted and name != reference],
        ceilings=ceilings,
        random_state=random_state,
        units=UNITS,
    )
    for name, reason in gathered.reasons.items():
        comparison.table.loc[comparison.table["encoder"] == name, "reason"] = reason
    return comparison


def _example(cohort: Cohort, rows: np.ndarray) -> dict | None:
    """Ten seconds of the stillest test window with a trusted rhythm."""
    trusted = rows[cohort.table["heart_rate"].notna().to_numpy()[rows]]
    if not len(trusted):
        return None
    row = trusted[np.argmin(cohort.table["motion"].to_numpy()[trusted])]
    beats = detect_beats(cohort.ppg[row, 0], cohort.sampling_rate)
    seconds = min(10.0, cohort.length)
    n = int(seconds * cohort.sampling_rate)
    about = cohort.table.loc[row]
    return {
        "time": np.arange(n) / cohort.sampling_rate,
        "ppg": cohort.ppg[row, 0, :n],
        "accel": cohort.accel[row, :, :n],
        "beats": beats[beats < seconds],
        "sampling_rate": cohort.sampling_rate,
        "title": f"{about['participant']}, {about['start']:.0f} s into the recording",
    }
