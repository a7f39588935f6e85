"""What an embedding is worth on people it has not seen: retrieval, probes, comparisons, a report.

Nothing here knows how an embedding was made: arrays and data frames in, tables and a page out.
"""

from biosig.evaluation.bootstrap import Difference, Interval, bootstrap_difference, bootstrap_mean
from biosig.evaluation.breakdown import error_by_motion, error_by_participant
from biosig.evaluation.compare import Comparison, Prediction, compare
from biosig.evaluation.headline import headline
from biosig.evaluation.probe import choose_alpha, participant_folds, probe, probe_folds
from biosig.evaluation.report import page, write_report
from biosig.evaluation.results import Results, as_json, collect_provenance, hash_arrays
from biosig.evaluation.retrieval import control_queries, retrieval
from biosig.evaluation.tables import comparison_markdown, results_text

__all__ = [
    "Comparison",
    "Difference",
    "Interval",
    "Prediction",
    "Results",
    "as_json",
    "bootstrap_difference",
    "bootstrap_mean",
    "choose_alpha",
    "collect_provenance",
    "compare",
    "comparison_markdown",
    "control_queries",
    "error_by_motion",
    "error_by_participant",
    "hash_arrays",
    "headline",
    "page",
    "participant_folds",
    "probe",
    "probe_folds",
    "results_text",
    "retrieval",
    "write_report",
]
