"""What an embedding is worth on people it has not seen: retrieval, probes, comparisons, a report.

Nothing here knows how an embedding was made: arrays and data frames in, tables and a page out.
"""

from biosig.evaluation.bootstrap import Difference, Interval, bootstrap_difference, bootstrap_mean
from biosig.evaluation.breakdown import error_by_motion, error_by_participant
from biosig.evaluation.compare import Comparison, Prediction, compare
from biosig.evaluation.conformal import conformal_coverage, conformal_radius, error_against_coverage
from biosig.evaluation.handcrafted import feature_names, hand_crafted_features, log_spectrum
from biosig.evaluation.headline import headline
from biosig.evaluation.label_efficiency import label_errors, label_table
from biosig.evaluation.people import person_means, probe_people
from biosig.evaluation.probe import Probed, choose_alpha, participant_folds, probe, probe_folds, probe_with_error
from biosig.evaluation.protocol import Budget, Contender, Estimator, Training
from biosig.evaluation.report import page, write_report
from biosig.evaluation.results import Results, as_json, as_tables, collect_provenance, hash_arrays
from biosig.evaluation.retrieval import control_queries, retrieval
from biosig.evaluation.tables import comparison_markdown, results_text

__all__ = [
    "Budget",
    "Comparison",
    "Contender",
    "Difference",
    "Estimator",
    "Interval",
    "Prediction",
    "Probed",
    "Results",
    "Training",
    "as_json",
    "as_tables",
    "bootstrap_difference",
    "bootstrap_mean",
    "choose_alpha",
    "collect_provenance",
    "compare",
    "comparison_markdown",
    "conformal_coverage",
    "conformal_radius",
    "control_queries",
    "error_against_coverage",
    "error_by_motion",
    "error_by_participant",
    "feature_names",
    "hand_crafted_features",
    "hash_arrays",
    "headline",
    "label_errors",
    "label_table",
    "log_spectrum",
    "page",
    "participant_folds",
    "person_means",
    "probe",
    "probe_folds",
    "probe_people",
    "probe_with_error",
    "results_text",
    "retrieval",
    "write_report",
]
