"""What is minimised, each as a function that reads beside its equation.

The masked reconstruction error belongs to its net: `biosig.nets.masked.MaskedAutoencoderNet.loss`.
"""

from __future__ import annotations

from tinygrad import Tensor

EXCLUDED = -1e9  # logit of a pair that is no negative: its exponential is exactly 0


def unit_rows(x: Tensor) -> Tensor:
    """Return the rows of `x`, (n, n_features), scaled to length 1."""
    return x * (x.square().sum(axis=1, keepdim=True) + 1e-12).rsqrt()


def info_nce(student: Tensor, teacher: Tensor, excluded: Tensor, temperature: float, balance: float = 0.5) -> Tensor:
    r"""Multi-modal InfoNCE between simultaneous windows.

    With unit rows s_i, t_i and temperature tau,

    .. math::
        L = -\frac{1}{n} \sum_i \left[
            \lambda \log \frac{e^{s_i \cdot t_i / \tau}}{\sum_{j \in N_i} e^{s_i \cdot t_j / \tau}}
            + (1 - \lambda) \log \frac{e^{s_i \cdot t_i / \tau}}{\sum_{j \in N_i} e^{s_j \cdot t_i / \tau}} \right]

    where N_i holds i and every window that is not excluded for it. The student looking for its teacher is one
    direction, the teacher looking for its student the other. Oord et al. (2018), arXiv 1807.03748, equation 4; in both
    directions as Radford et al. (2021), arXiv 2103.00020; between teacher and student as Abbaspourazad et al. (2024),
    arXiv 2412.11276.

    Parameters
    ----------
    student, teacher : Tensor (n, n_features)
        Projected embeddings of the same windows; rows need not have length 1.
    excluded : Tensor (n, n)
        1 where a pair must not be a negative (it shares samples), else 0; 0 on the diagonal.
    temperature : float
    balance : float, default 0.5
        Lambda, the weight of the student looking for its teacher.

    Returns
    -------
    Tensor, a scalar
    """
    n = int(student.shape[0])
    logits = unit_rows(student) @ unit_rows(teacher).transpose(0, 1) * (1 / temperature) + excluded * EXCLUDED
    pairs = Tensor.eye(n)
    to_teacher = -(logits.log_softmax(axis=1) * pairs).sum() / n
    to_student = -(logits.log_softmax(axis=0) * pairs).sum() / n
    return balance * to_teacher + (1 - balance) * to_student


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
