"""The training loop: read it from top to bottom. It knows nothing of sensors and objectives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from tinygrad import Context, Tensor, TinyJit
from tqdm.auto import tqdm

from biosig.nets._backend_random import random_counters, seed_random
from biosig.nets.backend import from_numpy, limit_threads, products_in, spread_over, to_numpy, training_mode
from biosig.nets.optimiser import AdamW
from biosig.nets.weights import content_hash
from biosig.training.batches import Prefetcher
from biosig.training.checkpoint import Checkpoints, State
from biosig.training.interruption import Interruption
from biosig.training.options import Progress, TrainingOptions
from biosig.training.schedule import learning_rate

__all__ = ["TrainingOptions", "Validation", "train"]  # the options also stand here, beside what they are for

Arrays = tuple[np.ndarray, ...]
COMPILING_STEPS = 3  # TinyJit runs once, captures once and compiles before its steps have their true speed
LOOKS = 20  # at the held-out windows, in a training that does not say how often
CURVES = ("step", "loss", "learning_rate", "validation_step", "validation_loss")


@dataclass(frozen=True)
class Validation:
    """Held-out windows: ``make_batch(number)`` gives batches of one shape for numbers under `n_batches`."""

    make_batch: Callable[[int], Arrays]
    n_batches: int


class Feed(Protocol):
    """A stream of windows behind the batches."""

    def begin(self, step: int, known: dict[str, int]) -> None:
        """Make ready for `step`, from what `position` returned for it earlier (empty: for the first time)."""

    def position(self, step: int) -> dict[str, int]:
        """Return all that it takes to begin with `step`."""


def train(
    objective: Callable[..., Tensor | tuple[Tensor, Sequence[Tensor]]],
    parameters: Sequence[Tensor] | Mapping[str, Tensor],
    make_batch: Callable[[int], Arrays],
    options: TrainingOptions,
    batch_size: int,
    *,
    carried: dict[str, Tensor] | None = None,
    validation: Validation | None = None,
    start: State | None = None,
    identity: dict[str, Any] | None = None,
    rows_of: Callable[[int], np.ndarray] | None = None,
    feed: Feed | None = None,
) -> dict[str, Any]:
    """Minimise `objective` over batches, changing `parameters` in place.

    Parameters
    ----------
    objective : callable
        Takes the arrays of one batch as tensors and returns a scalar tensor, the loss; or the loss and the tensors
        that it assigned to, which are realised together with the step of the optimiser.
    parameters : sequence of Tensor, or dict of str to Tensor
        What is trained.
    make_batch : callable
        ``make_batch(step)`` returns float32 or int32 arrays whose shapes never change; called in another thread, ahead
        of the step that needs them, so it must not use tinygrad. What it returns must depend on `step` alone.
    options : TrainingOptions
    batch_size : int
        Windows in a batch.
    carried : dict of str to Tensor, optional
        Realised tensors beyond the parameters that a step reads and the objective assigns to: the weights of a
        momentum branch, a queue.
    validation : Validation, optional
        Without dropout, and leaving `carried` as it was, the objective is also evaluated on these batches. The
        parameters end with the values that did best there.
    start : State, optional
        Go on from here, for ``options.steps`` further steps with a learning-rate schedule of their own.
    identity : dict, optional
        What else tells this training from others, so that checkpoints of another one are refused.
    rows_of : callable, optional
        ``rows_of(step)`` returns the numbers of the windows in a batch, to be named when the loss is no number.
    feed : Feed, optional
        Behind `make_batch`, where windows come as a stream: it is told with which step to begin, and where it stands is
        kept with the weights.

    Returns
    -------
    dict
        Plain lists ``step``, ``loss``, ``learning_rate``, and with validation ``validation_step`` (steps taken before
        each look) and ``validation_loss``; ``batch_size``; ``seconds``, ``windows_per_second`` and ``wait_share``, the
        share of the time that the steps spent waiting for batches (all three of this call, from its fourth step on,
        after compilation); and ``state``, the `State` of the weights at the end, from which another training may start.

    Raises
    ------
    FloatingPointError
        When the loss or a weight is no longer a finite number; the last checkpoint is from before that.
    KeyboardInterrupt
        After Ctrl-C, once the step is done and saved.
    ValueError
        For a checkpoint or a `start` of another training.
    """
    begin = start.step if start else 0
    end = begin + options.steps
    checkpoints, best = None, None
    with (
        training_mode(),
        limit_threads(options.n_jobs),
        products_in(options.precision),
        spread_over(options.devices),
        Interruption() as interruption,
    ):
        machine = _Machine(objective, parameters, carried or {}, options, feed)
        resumed = None
        if options.checkpoint is not None:
            checkpoints = Checkpoints(options.checkpoint, machine.identity(identity, batch_size, start))
            resumed, best = checkpoints.resume(begin)
        history = machine.go_on_from(resumed or start)
        first = resumed.step if resumed else begin
        every = options.validate_every or max(1, options.steps // LOOKS)
        done = first == end or _is_stale(history, begin, options.patience)
        state = None
        machine.begin_feed(first, resumed or start, done)
        saved_at = began = time.perf_counter()
        first_timed, waited, speed = min(first + COMPILING_STEPS, end - 1), 0.0, 0.0
        with (
            Prefetcher(make_batch, 0 if done else end - first, first) as batches,
            tqdm(initial=first, total=end, desc=options.label, unit="step", disable=not options.progress) as bar,
        ):
            for step, arrays in enumerate(batches, first):
                if step == first_timed:
                    began, waited = time.perf_counter(), batches.waited
                rate = learning_rate(
                    step - begin, options.steps, options.learning_rate, options.warmup, options.schedule
                )
                loss = machine.step(rate, arrays)
                if not math.isfinite(loss):
                    raise _not_a_number(f"loss is {loss}", step, rate, end, rows_of, checkpoints)
                for name, value in zip(CURVES[:3], (step, loss, rate), strict=True):
                    history[name].append(value)
                taken = step + 1
                speed = max(taken - first_timed, 1) * batch_size / max(time.perf_counter() - began, 1e-9)

                validation_loss, improved = None, False
                if validation and ((taken - begin) % every == 0 or taken == end):
                    validation_loss = machine.validate(validation)
                    if not math.isfinite(validation_loss):
                        raise _not_a_number("validation loss is no number", step, rate, end, rows_of, checkpoints)
                    improved = validation_loss < min(_looks_since(history, begin), default=math.inf)
                    history["validation_step"].append(taken)
                    history["validation_loss"].append(validation_loss)
                told = Progress(taken, end, loss, rate, validation_loss, speed, history)
                done = bool(options.callback and options.callback(told))
                done = done or taken == end or _is_stale(history, begin, options.patience)
                asked = interruption.asked  # read once: a Ctrl-C from here on is for the next step, which saves it too
                due = done or asked or time.perf_counter() - saved_at >= options.checkpoint_every

                if done or improved or (due and checkpoints):
                    state = machine.state(taken, history)
                    if not state.is_finite():
                        raise _not_a_number("weights are no numbers after it", step, rate, end, rows_of, checkpoints)
                    best = state if improved else best
                    if checkpoints and due:
                        checkpoints.save(state, best)
                        saved_at = time.perf_counter()
                share = (batches.waited - waited) / max(time.perf_counter() - began, 1e-9)
                bar.set_postfix_str(f"loss {loss:.4f}, {speed:.0f} windows/s, {share:.0%} waiting", refresh=False)
                bar.update()
                if asked:
                    raise KeyboardInterrupt
                if done:
                    break
        seconds = time.perf_counter() - began
        kept = best or state or machine.state(first, history)
        machine.put(kept)
    share = (batches.waited - waited) / max(seconds, 1e-9)
    timing = {"seconds": seconds, "windows_per_second": speed, "wait_share": share}
    curves = {name: values for name, values in history.items() if validation or not name.startswith("validation")}
    return {**curves, "batch_size": batch_size, **timing, "state": kept}


class _Machine:
    """What a training changes, the compiled steps that change it, and the way in and out for its state."""

    def __init__(self, objective, parameters, carried: dict[str, Tensor], options: TrainingOptions, feed: Feed | None):
        if not isinstance(parameters, Mapping):
            parameters = {str(number): tensor for number, tensor in enumerate(parameters)}
        self._weights, self._carried, self._options = dict(parameters), carried, options
        self._position: Callable[[int], dict[str, int]] = lambda step: {}
        self._feed = feed
        coupled = options.weight_decay if options.optimiser == "adam" else 0.0
        decayed = [tensor for tensor in parameters.values() if coupled and tensor.ndim > 1]
        self._optimiser = optimiser = AdamW(
            list(parameters.values()),
            weight_decay=0.0 if options.optimiser == "adam" else options.weight_decay,
            clip_norm=options.clip_norm,
        )

        def evaluate(batch: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
            found = objective(*batch)
            return found if isinstance(found, tuple) else (found, ())

        @TinyJit
        def take_step(rate: Tensor, *batch: Tensor) -> Tensor:
            optimiser.zero_grad()
            loss, assigned = evaluate(batch)
            # the gradient of Adam's decay is that of half the squared weights
            sum([0.5 * coupled * tensor.square().sum() for tensor in decayed], start=loss).backward()
            return loss.realize(*assigned, *optimiser.schedule_step(rate))

        @TinyJit
        def look(*batch: Tensor) -> Tensor:
            loss, assigned = evaluate(batch)
            return loss.realize(*assigned)

        self._take_step, self._look = take_step, look

    def step(self, rate: float, arrays: Arrays) -> float:
        # the rate is a tensor because a Python number would be frozen into the compiled step
        return float(self._take_step(from_numpy(np.array([rate], dtype=np.float32)), *_shared_out(arrays)).item())

    def validate(self, validation: Validation) -> float:
        before = _values(self._carried)
        with Context(TRAINING=0), Prefetcher(validation.make_batch, validation.n_batches) as batches:
            losses = [float(self._look(*_shared_out(arrays)).item()) for arrays in batches]
        _assign(self._carried, before, "carried tensors")
        return float(np.mean(losses))

    def state(self, step: int, history: dict[str, list]) -> State:
        curves = {name: list(values) for name, values in history.items()}
        moments = self._optimiser.state_dict()
        position = self._position(step)
        return State(step, _values(self._weights), moments, _values(self._carried), curves, random_counters(), position)

    def begin_feed(self, step: int, known: State | None, done: bool) -> None:
        """Make the stream of windows ready, where there is one and steps are left to take."""
        position = known.feed if known else {}
        self._position = lambda step: position
        if self._feed and not done:
            self._feed.begin(step, position)
            self._position = self._feed.position

    def put(self, state: State) -> None:
        _assign(self._weights, state.weights, "weights")
        _assign(self._carried, state.carried, "carried tensors")
        self._optimiser.load_state_dict(state.optimiser)

    def go_on_from(self, state: State | None) -> dict[str, list]:
        """Put a state (None: leave the beginning) and return its learning curves."""
        seed_random(int(self._options.random_state), state.counters if state else None)
        if state:
            self.put(state)
        return {name: list(state.history.get(name, [])) if state else [] for name in CURVES}

    def identity(self, known: dict[str, Any] | None, batch_size: int, start: State | None) -> dict[str, Any]:
        shapes = {name: list(map(int, t.shape)) for name, t in {**self._weights, **self._carried}.items()}
        begun = start and {"step": start.step, "weights": content_hash(start.weights, {})}
        options = self._options.identity()
        return {**(known or {}), "options": options, "batch_size": batch_size, "shapes": shapes, "start": begun}


def _shared_out(arrays: Arrays) -> list[Tensor]:
    """Return a batch as tensors, its windows split among the devices where there are several."""
    return [from_numpy(array, split=True) for array in arrays]


def _values(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: to_numpy(tensor) for name, tensor in tensors.items()}


def _assign(tensors: dict[str, Tensor], values: dict[str, np.ndarray], what: str) -> None:
    """Give tensors new values in place, so that a compiled step sees them."""
    for name in tensors.keys() | values.keys():
        own = tuple(map(int, tensors[name].shape)) if name in tensors else None
        given = np.shape(values[name]) if name in values else None
        if own != given:
            raise ValueError(
                f"the {what} to go on from are of another architecture: {name} has shape {given}, expected {own}"
            )
    if tensors:
        Tensor.realize(*[t.assign(from_numpy(values[name])) for name, t in tensors.items()])


def _looks_since(history: dict[str, list], begin: int) -> list[float]:
    """Return the validation losses of this training, without those of one that it started from."""
    curve = zip(history["validation_step"], history["validation_loss"], strict=True)
    return [loss for step, loss in curve if step > begin]


def _is_stale(history: dict[str, list], begin: int, patience: int | None) -> bool:
    losses = _looks_since(history, begin)
    return patience is not None and bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


def _not_a_number(what: str, step: int, rate: float, end: int, rows_of, checkpoints) -> FloatingPointError:
    windows = f" of windows {', '.join(map(str, rows_of(step)[:8]))}, ..." if rows_of else ""
    kept = ""
    if checkpoints:
        saved = checkpoints.saved_step
        kept = f"; the checkpoint of step {saved} in {checkpoints.folder} was kept" if saved is not None else ""
    return FloatingPointError(
        f"the {what} at step {step} of {end} (batch {step}{windows}; learning rate {rate:.2g}){kept}: lower "
        "learning_rate, set clip_norm, or look for huge values in the windows or targets"
    )
