"""Does the acceleration of a minute find the PPG of that minute among others?

A pool holds the true match and P - 1 distractors. Rather than draw pools at random and repeat, the *expectation over
all possible pools* is computed. If E windows may serve as distractors of a query and g of them are more similar to it
than the true match, the number of these in a pool is hypergeometric, so

    P(rank <= k) = sum over x < k of C(g, x) C(E - g, P - 1 - x) / C(E, P - 1),      E[rank] = 1 + (P - 1) g / E.

Windows exactly as similar as the match (t of them) stand before it in a random order: g is then uniform on
g, ..., g + t, which gives constant embeddings exactly the chance level. One pass over the similarities in blocks
serves all pool sizes, nothing depends on a seed but the intervals, and memory is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import gammaln
from tqdm import tqdm

from biosig._checks import check_groups
from biosig.evaluation._arrays import check_vector
from biosig.evaluation.bootstrap import bootstrap_mean, one_seed

_TIE = 1e-10  # similarities are double precision: closer than this is equal
_BLOCK_BYTES = 1 << 25
_TOP = (1, 3, 5)
POOL_SIZES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


def _unit_rows(x) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    # Scaled by the largest entry first, so that huge or tiny rows keep their direction.
    peak = np.abs(x).max(axis=1, keepdims=True)
    x = np.divide(x, peak, out=np.zeros_like(x), where=peak > 0)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norm, out=x, where=norm > 0)


def _count_before(queries, gallery, runs, labels, sessions, starts, length) -> dict[str, np.ndarray]:
    """For each query and scope: eligible distractors, those more similar than the match, and ties; int (n, 3).

    Rows are sorted by participant; `runs` are the edges of the participants, `labels` the run of each row.
    """
    n = len(queries)
    counts = {scope: np.zeros((n, 3), dtype=np.int64) for scope in ("across", "within")}
    match = np.einsum("ij,ij->i", queries, gallery)
    rows = max(1, _BLOCK_BYTES // (8 * n))
    for lo in tqdm(range(0, n, rows), desc="retrieval", unit="block", delay=2, leave=False):
        hi = min(lo + rows, n)
        margin = queries[lo:hi] @ gallery.T
        margin -= match[lo:hi, np.newaxis]
        more, tied = margin > _TIE, np.abs(margin) <= _TIE
        across = counts["across"][lo:hi]
        across[:, 0] = n
        across[:, 1] = np.count_nonzero(more, axis=1)
        across[:, 2] = np.count_nonzero(tied, axis=1)
        for run in range(labels[lo], labels[hi - 1] + 1):
            own = slice(runs[run], runs[run + 1])
            part = slice(max(lo, runs[run]), min(hi, runs[run + 1]))
            local = slice(part.start - lo, part.stop - lo)
            near = np.arange(part.start, part.stop)[:, np.newaxis] == np.arange(own.start, own.stop)
            if starts is not None:
                overlap = np.abs(starts[part, np.newaxis] - starts[own]) < length
                near |= overlap & (sessions[part, np.newaxis] == sessions[own])
            counts["across"][part, 0] -= near.sum(axis=1)
            counts["within"][part, 0] = (~near).sum(axis=1)
            for column, mask in ((1, more), (2, tied)):
                counts["across"][part, column] -= (mask[local, own] & near).sum(axis=1)
                counts["within"][part, column] = (mask[local, own] & ~near).sum(axis=1)
    return counts


def _hits(counts: np.ndarray, pool: int) -> tuple[np.ndarray, np.ndarray]:
    """Chance that the match is among the first 1, 3, 5 of a pool, shape (n, 3), and expected rank, shape (n,)."""
    eligible, more, tied = counts.T
    drawn = pool - 1
    rank = 1 + drawn * (more + tied / 2) / np.maximum(eligible, 1)
    top = np.empty((len(counts), len(_TOP)))
    for size in np.unique(eligible):
        here = eligible == size
        first, last = more[here], more[here] + tied[here]
        g = np.arange(first.min(), last.max() + 1, dtype=np.float64)
        log_pools = gammaln(size + 1) - gammaln(drawn + 1) - gammaln(size - drawn + 1)
        within = np.zeros((len(g) + 1, len(_TOP)))
        below = np.zeros(len(g))
        for x in range(min(_TOP[-1], drawn + 1)):
            possible = (g >= x) & (size - g >= drawn - x)
            gp, rest = g[possible], drawn - x
            log_p = gammaln(gp + 1) - gammaln(x + 1) - gammaln(gp - x + 1) - log_pools
            log_p += gammaln(size - gp + 1) - gammaln(rest + 1) - gammaln(size - gp - rest + 1)
            below[possible] += np.exp(log_p)
            for j, k in enumerate(_TOP):
                if x == k - 1 or (x == drawn and x < k):
                    within[1:, j] = below
        summed = np.cumsum(within, axis=0)
        offset = int(g[0])
        top[here] = (summed[last - offset + 1] - summed[first - offset]) / (tied[here] + 1)[:, np.newaxis]
    return np.clip(top, 0.0, 1.0), rank


def retrieval(
    queries,
    gallery,
    *,
    groups,
    starts=None,
    sessions=None,
    folds=None,
    length: float = 60.0,
    control=None,
    pool_sizes: Sequence[int] = POOL_SIZES,
    scopes: Sequence[str] = ("across", "within"),
    n_boot: int = 1000,
    random_state=None,
) -> pd.DataFrame:
    """How well queries find their own row of the gallery by cosine similarity, against the size of the pool.

    Parameters
    ----------
    queries, gallery : array of shape (n_windows, n_features)
        Embeddings of the two sensors in one space; row i of one belongs to row i of the other. Windows with a NaN in
        either are left out. A row of zeros is equally similar to all.
    groups : array of shape (n_windows,)
        Participant of each window.
    starts : array of shape (n_windows,), optional
        Start of each window in s. A window of the same participant and session that starts less than `length` away
        from the query shares samples with it and is never a distractor.
    sessions : array of shape (n_windows,), optional
        Session of each window; `starts` of different sessions do not overlap. By default one session a participant.
    folds : array of shape (n_windows,), optional
        Windows of different folds were embedded by different encoders and cannot be compared: distractors then come
        from the query's own fold.
    length : float
        Length of a window in s.
    control : (queries, gallery), optional
        Of something else that may find the same windows, such as the motion level (`control_queries`): the difference
        of both top-1 is told with an interval over the same draws of participants. Windows that the control lacks are
        left out of everything, so that both are sought among the same.
    pool_sizes : sequence of int
        Windows in a pool, the match included. A query with too few distractors is left out of that size, and a size
        that no query can fill is left out of the table; pools are never shrunk.
    scopes : sequence of {"across", "within"}
        Distractors from everybody's windows, or from the same participant's alone: harder, as who it is does not help.
    n_boot, random_state
        Draws of participants for the intervals, and their seed. The estimates themselves do not depend on a seed.

    Returns
    -------
    pandas.DataFrame
        One row a scope and pool size, expected over all pools: `scope`, `pool`, `top1`, `top1_low`, `top1_high`
        (95 % interval over participants), `top3`, `top5`, `mean_rank`, `mean_rank_low`, `mean_rank_high`,
        `median_rank` (median over queries of the expected rank), the same for chance (`chance_top1`, `chance_top3`,
        `chance_top5`, `chance_rank`), `n_queries`, `n_participants`; with a `control` also `gap`, `gap_low` and
        `gap_high`, this top-1 less that of the control.

    Raises
    ------
    ValueError
        For arrays that do not belong together, one-feature embeddings, impossible pool sizes or unknown scopes.
    """
    queries, gallery = _pair(queries, gallery)
    other = None if control is None else _pair(*control)
    if other is not None and len(other[0]) != len(queries):
        raise ValueError(
            f"the control has {len(other[0])} windows, the embeddings {len(queries)}; expected the same ones"
        )
    groups = check_groups(groups, len(queries))
    sizes = sorted({int(size) for size in pool_sizes})
    if not sizes or sizes[0] < 2:
        raise ValueError(f"pool_sizes is {pool_sizes!r}; expected numbers of windows, 2 or more")
    unknown = set(scopes) - {"across", "within"}
    if unknown:
        raise ValueError(f"unknown scopes {sorted(unknown)}; expected 'across' and/or 'within'")
    n = len(queries)
    starts = None if starts is None else check_vector(starts, n, "starts")
    sessions = np.zeros(n, dtype=np.int64) if sessions is None else check_groups(sessions, n, "sessions")

    folds = np.zeros(n, dtype=np.int64) if folds is None else check_groups(folds, n, "folds")

    whole = lambda pair: np.isfinite(pair[0]).all(axis=1) & np.isfinite(pair[1]).all(axis=1)
    pairs = [(queries, gallery), *([] if other is None else [other])]
    usable = np.logical_and.reduce([whole(pair) for pair in pairs])
    counts = [{scope: [np.zeros((0, 3), dtype=np.int64)] for scope in scopes} for _ in pairs]
    people = [groups[:0]]
    for fold in np.unique(folds[usable]):
        kept = np.flatnonzero(usable & (folds == fold))
        kept = kept[np.argsort(groups[kept], kind="stable")]
        participants, labels = np.unique(groups[kept], return_inverse=True)
        runs = np.searchsorted(labels, np.arange(len(participants) + 1))
        begin = None if starts is None else starts[kept]
        for pair, parts in zip(pairs, counts, strict=True):
            sought, among = (_unit_rows(side[kept]) for side in pair)
            found = _count_before(sought, among, runs, labels, sessions[kept], begin, length)
            for scope in scopes:
                parts[scope].append(found[scope])
        people.append(groups[kept])
    joined = [{scope: np.concatenate(found) for scope, found in parts.items()} for parts in counts]
    return _table(*joined, people=np.concatenate(people), sizes=sizes, n_boot=n_boot, seed=one_seed(random_state))


def top1(queries, gallery, groups, pool: int) -> float:
    """Top-1 of `retrieval` among `pool` windows of everybody; NaN where there are too few."""
    table = retrieval(queries, gallery, groups=groups, pool_sizes=[pool], scopes=["across"], n_boot=2)
    return float(table["top1"].iloc[0]) if len(table) else np.nan


def _pair(queries, gallery) -> tuple[np.ndarray, np.ndarray]:
    """Return both as arrays, or say why they cannot be compared."""
    queries, gallery = np.asarray(queries), np.asarray(gallery)
    if queries.ndim != 2 or queries.shape != gallery.shape:
        raise ValueError(
            f"queries has shape {queries.shape}, gallery {gallery.shape}; expected the same (n_windows, n_features), "
            "row i of one belonging to row i of the other"
        )
    if queries.shape[1] < 2:
        raise ValueError(
            "the embeddings have 1 feature, of which cosine similarity sees the sign alone; "
            "to use a scalar such as the motion level as a control, map it with biosig.evaluation.control_queries"
        )
    return queries, gallery


def _table(counts, control=None, *, people: np.ndarray, sizes, n_boot: int, seed: int) -> pd.DataFrame:
    """Turn the counts of each query, and those of the control, into one row a scope and pool size."""
    columns = ["scope", "pool", "top1", "top1_low", "top1_high", "top3", "top5", "mean_rank", "mean_rank_low"]
    columns += ["mean_rank_high", "median_rank", "chance_top1", "chance_top3", "chance_top5", "chance_rank"]
    columns += ["n_queries", "n_participants", *([] if control is None else ["gap", "gap_low", "gap_high"])]
    rows = []
    for scope in counts:
        for pool in sizes:
            usable = counts[scope][:, 0] >= pool - 1
            if not usable.any():
                continue
            top, rank = _hits(counts[scope][usable], pool)
            who = people[usable]
            first = bootstrap_mean(top[:, 0], who, n_boot=n_boot, random_state=seed)
            ranks = bootstrap_mean(rank, who, n_boot=n_boot, random_state=seed)
            chances = [min(1.0, k / pool) for k in _TOP]
            row = [scope, pool, *first[:3], *top[:, 1:].mean(axis=0), *ranks[:3], np.median(rank), *chances]
            row += [(pool + 1) / 2, first.n_windows, first.n_participants]
            if control is not None:
                theirs, _ = _hits(control[scope][usable], pool)
                row += bootstrap_mean(top[:, 0] - theirs[:, 0], who, n_boot=n_boot, random_state=seed)[:3]
            rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def control_queries(train_feature, train_gallery, test_feature, *, n_knots: int = 6) -> np.ndarray:
    """Queries made from one number a window, such as its motion level: the control beside every retrieval figure.

    Movement disturbs both sensors, so its level alone can find the right window above chance. A smooth curve (cubic
    splines, ridge) is fitted from the number to the unit-length gallery embeddings of the training participants; the
    curve at the test windows is the query that retrieves best from this number.

    Parameters
    ----------
    train_feature : array of shape (n_train,)
        The number, for instance the logarithm of the motion level in g.
    train_gallery : array of shape (n_train, n_features)
        Gallery embeddings of the same windows.
    test_feature : array of shape (n_test,)
        The number for the windows to be retrieved.
    n_knots : int
        Knots of the curve, at quantiles of the training values.

    Returns
    -------
    numpy.ndarray of shape (n_test, n_features)
        Queries for `retrieval`; NaN where the number is NaN.

    Raises
    ------
    ValueError
        When the lengths differ or no training window is complete.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    train_feature = np.asarray(train_feature, dtype=np.float64).reshape(-1)
    test_feature = np.asarray(test_feature, dtype=np.float64).reshape(-1)
    train_gallery = np.asarray(train_gallery, dtype=np.float64)
    if train_gallery.ndim != 2 or len(train_gallery) != len(train_feature):
        raise ValueError(
            f"train_gallery has shape {train_gallery.shape}, train_feature {train_feature.shape}; "
            "expected (n_train, n_features) and (n_train,)"
        )
    keep = np.isfinite(train_feature) & np.isfinite(train_gallery).all(axis=1)
    if not keep.any():
        raise ValueError("no training window has both a finite feature and a finite embedding; nothing to fit")
    x, y = train_feature[keep], _unit_rows(train_gallery[keep])
    queries = np.full((len(test_feature), train_gallery.shape[1]), np.nan)
    known = np.isfinite(test_feature)
    if len(np.unique(x)) < n_knots:  # nothing to bend: the mean direction for everybody
        queries[known] = y.mean(axis=0)
        return queries
    knots = np.unique(np.quantile(x, np.linspace(0, 1, n_knots)))[:, np.newaxis]
    if len(knots) < 2:
        queries[known] = y.mean(axis=0)
        return queries
    curve = make_pipeline(SplineTransformer(knots=knots, degree=3, extrapolation="constant"), Ridge(alpha=1.0))
    curve.fit(x[:, np.newaxis], y)
    if known.any():
        queries[known] = curve.predict(test_feature[known, np.newaxis])
    return queries
