"""What is minimised, each as a function that reads beside its equation.

The masked reconstruction error belongs to its net: `biosig.nets.masked.MaskedAutoencoderNet.loss`.
"""

from __future__ import annotations

import numpy as np
from tinygrad import Tensor

from biosig.nets import ops
from biosig.nets.backend import products_in

EXCLUDED = -1e9  # logit of a pair that is no negative: its exponential is exactly 0
TOUCHING = 1e-3  # distance below which unit rows are taken as one: float32 cannot tell much nearer ones apart


def unit_rows(x: Tensor) -> Tensor:
    """Return the rows of `x`, (n, n_features), scaled to length 1."""
    return x * (x.square().sum(axis=1, keepdim=True) + 1e-12).rsqrt()


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of every row of `a`, (n, n_features), with every row of `b`, (m, n_features): (n, m)."""
    with products_in("float32"):  # a small temperature would blow up what a coarser product rounds away
        return ops.linear(unit_rows(a), unit_rows(b).transpose(0, 1))


def info_nce(query: Tensor, key: Tensor, excluded: Tensor, temperature: float | Tensor, balance: float = 0.5) -> Tensor:
    r"""InfoNCE: each query is to find its key among those of other windows, and the other way round.

    With unit rows q_i, k_j, temperature tau, n queries and m >= n keys, of which the first n belong to the queries,

    .. math::
        L = -\frac{1}{n} \sum_{i \le n} \left[
            \lambda \log \frac{e^{q_i \cdot k_i / \tau}}{\sum_{j \in N_i} e^{q_i \cdot k_j / \tau}}
            + (1 - \lambda) \log \frac{e^{q_i \cdot k_i / \tau}}
                {\sum_{j \le n,\, i \in N_j} e^{q_j \cdot k_i / \tau}} \right]

    where N_i holds i and every key that is not excluded for query i. Oord et al. (2018), arXiv 1807.03748, equation 4.
    Two trainings use it:

    - distillation: q from acceleration, k from the PPG of the same minute, both directions weighted as Radford et al.
      (2021), arXiv 2103.00020, figure 3, and Abbaspourazad et al. (2024), arXiv 2412.11276;
    - contrast of participants: k_i is another window of the participant of q_i, seen by a momentum copy, and all other
      windows of that participant are excluded; the first direction alone (`balance` of 1), because nothing is learnt
      through the copy. Abbaspourazad et al. (2024), arXiv 2312.05409.

    The keys beyond the first n come from a queue of past ones (He et al. 2020, arXiv 1911.05722, section 3.2): they are
    more negatives for the queries.

    Parameters
    ----------
    query : Tensor (n, n_features)
        Projected embeddings; rows need not have length 1.
    key : Tensor (m, n_features)
    excluded : Tensor (n, m)
        1 where a pair must not be a negative (it shares samples, or the participant), else 0; 0 on the diagonal.
    temperature : float or Tensor
        A tensor when it is learned, see `biosig.nets.heads.LearnedTemperature`.
    balance : float, default 0.5
        Lambda, the weight of the query looking for its key.

    Returns
    -------
    Tensor, a scalar
    """
    n, m = int(query.shape[0]), int(key.shape[0])
    logits = _cosines(query, key) * (1 / temperature) + excluded * EXCLUDED
    pairs = Tensor.eye(n, m)
    to_key = -(logits.log_softmax(axis=1) * pairs).sum() / n
    if balance == 1:
        return to_key
    to_query = -(logits[:, :n].log_softmax(axis=0) * pairs[:, :n]).sum() / n
    return balance * to_key + (1 - balance) * to_query


def koleo(x: Tensor) -> Tensor:
    r"""Spread embeddings over the sphere: :math:`-\frac{1}{n} \sum_i \log \min_{j \ne i} \lVert u_i - u_j \rVert`.

    u_i are the rows of `x` scaled to length 1. The Kozachenko-Leonenko estimator of differential entropy (Delattre &
    Fournier 2017, arXiv 1602.07440), negative and without its constants, as the regulariser of Sablayrolles et al.
    (2019), arXiv 1806.03198. Rows nearer than `TOUCHING` to each other count as that near and are pushed no more.

    Parameters
    ----------
    x : Tensor (n, n_features)
        At least two rows.

    Returns
    -------
    Tensor, a scalar
    """
    others = _cosines(x, x) - 4 * Tensor.eye(int(x.shape[0]))  # nobody is its own neighbour
    squared = (2 - 2 * others.max(axis=1)).maximum(TOUCHING**2)
    return -0.5 * squared.log().mean()


def l2_regression(student: Tensor, teacher: Tensor) -> Tensor:
    r"""Mean squared error :math:`\frac{1}{nd} \sum_i \lVert s_i - t_i \rVert^2`: the plain distillation baseline.

    Hinton et al. (2015), arXiv 1503.02531, use it on logits; here on standardised teacher embeddings.

    Parameters
    ----------
    student, teacher : Tensor (n, n_features)
    """
    return (student - teacher).square().mean()


def cosine_regression(student: Tensor, teacher: Tensor) -> Tensor:
    r"""Mean cosine distance :math:`\frac{1}{n} \sum_i (1 - \cos(s_i, t_i))`: the same baseline, blind to length.

    Parameters
    ----------
    student, teacher : Tensor (n, n_features)
    """
    return 1 - (unit_rows(student) * unit_rows(teacher)).sum(axis=1).mean()


def token_distillation(student: Tensor, teacher: Tensor, resampling: Tensor | None = None) -> Tensor:
    r"""Mean squared error between tokens, :math:`\frac{1}{nld} \sum_i \lVert R S_i - \nu(T_i) \rVert^2`.

    S_i holds the tokens of the student after a linear map to the width of the teacher's, R interpolates them in time
    where the two nets cut a window into different numbers of tokens, and nu scales every token of the teacher to mean 0
    and variance 1. After Romero et al. (2015), arXiv 1412.6550, equation 3, with the teacher's features whitened as by
    Wei et al. (2022), arXiv 2205.14141.

    Parameters
    ----------
    student : Tensor (n, n_student_tokens, n_features)
    teacher : Tensor (n, n_tokens, n_features)
    resampling : Tensor (n_student_tokens, n_tokens), optional
        From `interpolation`; None where the numbers of tokens are the same.
    """
    if resampling is not None:
        with products_in("float32"):
            student = ops.linear(student.transpose(1, 2), resampling.detach()).transpose(1, 2)
    centred = teacher - teacher.mean(-1, keepdim=True)
    target = centred * (centred.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    return (student - target).square().mean()


def interpolation(n_from: int, n_to: int) -> np.ndarray:
    """Return the matrix (n_from, n_to), float32, that interpolates linearly between the tokens of a window.

    A token stands for the middle of its stretch of the window; before the first middle and after the last one the
    values stay those of the nearest token.
    """
    middles = np.clip((np.arange(n_to) + 0.5) * n_from / n_to - 0.5, 0, n_from - 1)
    return np.maximum(0, 1 - np.abs(middles - np.arange(n_from)[:, None])).astype(np.float32)


def masked_regression(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    r"""Mean squared error over known targets, :math:`\sum_{ik} m_{ik} (p_{ik} - y_{ik})^2 / \sum_{ik} m_{ik}`.

    Parameters
    ----------
    predicted, target : Tensor (n, n_targets)
        Standardised; `target` holds any finite number where it is not known.
    known : Tensor (n, n_targets)
        1 where the target is known, else 0.
    """
    return ((predicted - target).square() * known).sum() / known.sum().maximum(1)


def masked_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Mean cross-entropy over known labels, :math:`-\sum_{ic} y_{ic} \log \mathrm{softmax}(z_i)_c / \sum_{ic} y_{ic}`.

    Parameters
    ----------
    logits : Tensor (n, n_classes)
    labels : Tensor (n, n_classes)
        1 at the class of a window, else 0; a row of zeros where the label is not known.
    """
    return -(logits.log_softmax(axis=1) * labels).sum() / labels.sum().maximum(1)
