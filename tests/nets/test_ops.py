"""Host kernels against plain tinygrad operations, NumPy twins and torch: values and gradients."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tinygrad import Tensor, TinyJit

from biosig.nets import backend, ops
from tests.naive import nets as naive


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def block(n_in, n_out, n_taps, wide=9, narrow=4):
    """Weights of an inverted residual block, in the order in which the layer takes them."""
    shapes = [(n_in,), (n_in,), (n_in, wide), (wide,), (n_taps, wide), (wide,)]
    shapes += [(wide, narrow), (narrow,), (narrow, wide), (wide,), (wide, n_out), (n_out,)]
    return [0.5 * values(*shape, seed=i) for i, shape in enumerate(shapes)]


def inverted_residual(stride):
    return lambda x, *weights: ops.inverted_residual(x, weights, stride)


def added(layer):
    return lambda *arguments: layer(*arguments[:-1], add_to=arguments[-1])


INDEX = np.array([[3, 0, 5], [1, 2, 4], [5, 4, 0]], np.int32)
LAYERS = {
    "linear": (ops.linear, [values(3, 5, 7), values(7, 4), values(4)]),
    "linear without bias": (ops.linear, [values(130, 7), values(7, 4)]),
    "linear added": (added(ops.linear), [values(3, 5, 7), values(7, 4), values(4), values(3, 5, 4)]),
    "linear added to one row of all": (added(ops.linear), [values(3, 5, 7), values(7, 4), values(4), values(1, 5, 4)]),
    "gelu": (ops.gelu, [values(3, 5, 7)]),
    "swish": (ops.swish, [values(3, 5, 7)]),
    "layer_norm": (ops.layer_norm, [values(3, 5, 7), values(7), values(7)]),
    "mlp": (ops.mlp, [values(2, 70, 4), values(4, 9), values(9), values(9, 5), values(5)]),
    "mlp added": (
        added(ops.mlp),
        [values(2, 70, 4), values(4, 9), values(9), values(9, 5), values(5), values(2, 70, 5)],
    ),
    "means": (ops.means, [values(3, 8, 4)]),
    "statistics": (ops.statistics, [values(3, 8, 4)]),
    "attention": (lambda x: ops.attention(x, 2), [values(3, 6, 24)]),
    "depthwise_conv": (ops.depthwise_conv, [values(3, 8, 4), values(5, 4), values(4)]),
    "inverted_residual": (inverted_residual(1), [values(3, 8, 4), *block(4, 4, 5)]),
    "inverted_residual with a stride": (inverted_residual(2), [values(3, 9, 4), *block(4, 6, 3)]),
    "gather_tokens": (lambda x: ops.gather_tokens(x, backend.from_numpy(INDEX)), [values(3, 6, 4)]),
    "gather_tokens of one table": (lambda x: ops.gather_tokens(x, backend.from_numpy(INDEX)), [values(1, 6, 4)]),
}


def run(function, arrays, upstream=None):
    """Value of a layer and the gradients of ``sum(upstream * value)`` at all inputs."""
    inputs = [backend.from_numpy(a).is_param_(True) for a in arrays]
    out = function(*inputs)
    if upstream is None:
        upstream = values(*out.shape, seed=99)
    (out * backend.from_numpy(upstream)).sum().backward()
    return backend.to_numpy(out), [backend.to_numpy(t.grad) for t in inputs], upstream


@pytest.mark.parametrize("name", LAYERS)
def test_the_two_roads_agree(name, monkeypatch):
    function, arrays = LAYERS[name]
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "1")
    assert backend.uses_host_kernels()
    host, host_grads, upstream = run(function, arrays)
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "0")
    assert not backend.uses_host_kernels()
    plain, plain_grads, _ = run(function, arrays, upstream)
    np.testing.assert_allclose(host, plain, atol=1e-4)
    for a, b, x in zip(host_grads, plain_grads, arrays, strict=True):
        assert a.shape == x.shape
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_values_agree_with_the_twins(road):
    x, w, b = values(4, 7), values(7), values(7, seed=1)
    out = backend.to_numpy(ops.layer_norm(*map(backend.from_numpy, (x, w, b))))
    np.testing.assert_allclose(out, naive.layer_norm(x, w, b, 1e-5), atol=1e-5)
    qkv = values(2, 5, 12)
    out = backend.to_numpy(ops.attention(backend.from_numpy(qkv), 2))
    np.testing.assert_allclose(out, naive.attention(qkv, 2), atol=1e-5)
    x, w, b = values(2, 9, 3), values(5, 3), values(3)
    out = backend.to_numpy(ops.depthwise_conv(*map(backend.from_numpy, (x, w, b))))
    np.testing.assert_allclose(out, naive.depthwise(x, w, b), atol=1e-5)
    np.testing.assert_allclose(backend.to_numpy(ops.swish(backend.from_numpy(x))), naive.swish(x), atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_arrays_give_what_tensors_give(name):
    function, arrays = LAYERS[name]
    if "gather" in name:
        function = lambda x: ops.gather_tokens(x, INDEX)
    out = function(*arrays)
    assert isinstance(out, np.ndarray)
    expected = LAYERS[name][0](*map(backend.from_numpy, arrays))
    np.testing.assert_array_equal(out, backend.to_numpy(expected))


@pytest.mark.parametrize("samples_first", [False, True])
@pytest.mark.parametrize(("length", "stride", "before"), [(4, 4, 0), (8, 4, 2), (3, 2, 1), (3, 1, 1), (7, 3, 4)])
def test_frames_agree_with_the_twin(length, stride, before, samples_first, road):
    x = values(3, 2, 12)
    expected = naive.frames(x, length, stride, before)
    if samples_first:
        expected = expected.swapaxes(2, 3)
    out = backend.to_numpy(ops.frames(backend.from_numpy(x), length, stride, before, samples_first))
    np.testing.assert_array_equal(out, expected.reshape(3, 12 // stride, -1))


def test_what_is_dropped_is_dropped_before_it_is_added(road):
    x, w, b = (backend.from_numpy(a) for a in (values(4, 50), np.zeros((50, 60), np.float32), np.ones(60, np.float32)))
    with backend.training_mode():
        out = backend.to_numpy(
            ops.linear(x, w, b, add_to=backend.from_numpy(np.full((4, 60), 7, np.float32)), rate=0.5)
        )
    np.testing.assert_array_equal(np.unique(out), [7, 9])


@pytest.mark.parametrize(("stride", "n_out", "n_taps"), [(1, 4, 5), (1, 6, 3), (2, 4, 3), (2, 6, 5)])
def test_inverted_residual_agrees_with_the_twin(stride, n_out, n_taps, road):
    x, weights = values(3, 9, 4), block(4, n_out, n_taps)
    out = ops.inverted_residual(backend.from_numpy(x), [backend.from_numpy(w) for w in weights], stride)
    np.testing.assert_allclose(backend.to_numpy(out), naive.inverted_residual(x, weights, stride), atol=1e-4)


@pytest.mark.parametrize("n_windows", [1, 5, 70])
def test_inverted_residual_of_any_number_of_windows(n_windows):
    x, weights = values(n_windows, 60, 4), [backend.from_numpy(w) for w in block(4, 4, 3, wide=40)]
    with backend.limit_threads(2):
        out = backend.to_numpy(ops.inverted_residual(backend.from_numpy(x), weights))
        one = backend.to_numpy(ops.inverted_residual(backend.from_numpy(x[-1:]), weights))
    np.testing.assert_allclose(out[-1:], one, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "linear",
        "gelu",
        "swish",
        "layer_norm",
        "mlp",
        "attention",
        "depthwise_conv",
        "inverted_residual",
        "inverted_residual with a stride",
    ],
)
def test_torch_agrees(name):
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'torch'")
    functional = torch.nn.functional

    def attention(qkv):
        q, k, v = qkv.reshape(3, 6, 3, 2, 4).permute(2, 0, 3, 1, 4)
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(3, 6, 8)

    def depthwise(x, w, b):
        return functional.conv1d(x.transpose(1, 2), w.t()[:, None], b, padding=2, groups=4).transpose(1, 2)

    def gelu(x):
        return functional.gelu(x, approximate="tanh")

    def residual(x, norm, shift, expand, b1, taps, b2, squeeze, b3, excite, b4, project, b5):
        stride = 2 if "stride" in name else 1
        y = functional.silu(functional.layer_norm(x, (4,), norm, shift) @ expand + b1).transpose(1, 2)
        y = functional.conv1d(y, taps.t()[:, None], b2, stride=stride, padding=len(taps) // 2, groups=taps.shape[1])
        y = functional.silu(y).transpose(1, 2)
        gates = torch.sigmoid(functional.silu(y.mean(1) @ squeeze + b3) @ excite + b4)
        y = (y * gates[:, None]) @ project + b5
        return x + y if x.shape == y.shape else y

    theirs = {
        "linear": lambda x, w, b: x @ w + b,
        "gelu": gelu,
        "swish": functional.silu,
        "layer_norm": lambda x, w, b: functional.layer_norm(x, (7,), w, b, 1e-5),
        "mlp": lambda x, w1, b1, w2, b2: gelu(x @ w1 + b1) @ w2 + b2,
        "attention": attention,
        "depthwise_conv": depthwise,
        "inverted_residual": residual,
        "inverted_residual with a stride": residual,
    }[name]
    function, arrays = LAYERS[name]
    out, grads, upstream = run(function, arrays)
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(*inputs)
    (expected * torch.tensor(upstream)).sum().backward()
    np.testing.assert_allclose(out, expected.detach().numpy(), atol=1e-4)
    for ours, t in zip(grads, inputs, strict=True):
        np.testing.assert_allclose(ours, t.grad.numpy(), atol=1e-4)


def test_jitted_layers_see_new_inputs_and_are_bitwise_repeatable():
    w, b = backend.from_numpy(values(7, 4)), backend.from_numpy(values(4))
    step = TinyJit(lambda x: ops.gelu(ops.linear(x, w, b)).realize())
    xs = [values(300, 7, seed=s) for s in range(5)]
    first = [backend.to_numpy(step(backend.from_numpy(x))) for x in xs]
    again = [backend.to_numpy(step(backend.from_numpy(x))) for x in xs]
    for x, one, two in zip(xs, first, again, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, naive.gelu(x @ w.numpy() + b.numpy()), atol=1e-5)


def test_number_of_threads_changes_rounding_only():
    function, arrays = LAYERS["mlp"]
    with backend.limit_threads(1):
        one = run(function, arrays)
        assert backend.n_threads() == 1
    with backend.limit_threads(3):
        three = run(function, arrays)
        repeated = run(function, arrays)
    for a, b, c in zip([one[0], *one[1]], [three[0], *three[1]], [repeated[0], *repeated[1]], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_array_equal(b, c)


def test_gather_refuses_places_outside_the_window():
    x, index = backend.from_numpy(values(1, 6, 4)), backend.from_numpy(np.array([[6]], np.int32))
    with pytest.raises(ValueError, match="outside the window"):
        ops.gather_tokens(x, index).realize()


def test_dropout_only_in_training_mode(road):
    x = backend.from_numpy(np.ones((64, 64), np.float32))
    np.testing.assert_array_equal(backend.to_numpy(ops.dropout(x, 0.2)), 1)
    with backend.training_mode():
        Tensor.manual_seed(3)
        one = backend.to_numpy(ops.dropout(x, 0.2))
        Tensor.manual_seed(3)
        two = backend.to_numpy(ops.dropout(x, 0.2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(np.unique(one), [0, 1.25])
    assert 0.15 < (one == 0).mean() < 0.25


def test_gradient_of_dropout_drops_the_same_places(road):
    x = backend.from_numpy(values(500)).is_param_(True)
    with backend.training_mode():
        out = ops.dropout(x, 0.3)
        out.sum().backward()
        kept, slope = backend.to_numpy(out) != 0, backend.to_numpy(x.grad)
    np.testing.assert_allclose(slope, np.where(kept, 1 / 0.7, 0), rtol=1e-6)


def test_jitted_dropout_varies_from_call_to_call(road):
    x = backend.from_numpy(np.ones(2000, np.float32))
    step = TinyJit(lambda x: ops.dropout(x, 0.5).realize())
    with backend.training_mode():
        outs = [backend.to_numpy(step(x)) for _ in range(5)]
    for one, two in itertools.pairwise(outs):
        assert 0.4 < (one != two).mean() < 0.6
