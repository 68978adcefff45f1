"""The LR range test: raise the learning rate step by step, watch the loss, suggest where it falls most reliably."""

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cellgate.contract.artifacts import CHECKPOINT_FOLDER
from cellgate.contract.configs import LearningRate
from cellgate.contract.errors import DataError, InterruptedRun
from cellgate.contract.events import EventKind
from cellgate.contract.range_test import RangeTestCurve
from trainers.engine.checkpoint import generator_states, restore_generators, weights_of
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.lr_curve import curve_of, smooth
from trainers.engine.lr_points import FinderPoints, KeepTimer, load_points
from trainers.engine.optimization import Stepper
from trainers.engine.planning import TrainingPlan
from trainers.engine.progress import StepProgress
from trainers.engine.task import Rows

BLOW_UP = 4.0
MIN_POINTS = 10
# A valley must take the loss down by this share of its start, or it is noise: a text model whose dip of 2 % was taken
# for one collapsed at the rate that it gave.
MIN_FALL = 0.05
# Nor may it be this few deviations of the noise: with both limits, 9 in 10 generated curves of noise alone have none.
FALL_DEVIATIONS = 1.5
SLOPE_BEGINS = 0.1
# On generated curves (`python -m bench.lr_finder`), within a decade of the optimum on 99.8 % instead of 94 %.
SHARE_OF_LOWEST = 0.25
# Of the curve.
LOWEST_WIDTH = 1 / 15
# Above the noise: this many deviations, and this share, over the mean of the curve's first half.
RISE_DEVIATIONS = 4.0
MIN_RISE = 0.01
# Some dozens of steps do not show what wears a model down in hundreds. Measured: the best rate of the small text model,
# 2e-3, is a twentieth of where its loss takes off (3.8e-2 to 4.6e-2 over five seeds). It bounds the default from above
# and is no answer of its own: a pretrained model's take-off gave it thirty times the published rate, and a collapse.
EDGE_DIVISOR = 20.0
BATCH_ORDER_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A learning rate, or why there is none.

    Args:
        learning_rate: Null when the curve shows none.
        reason: In plain words.
        takes_off: Rate at which the loss takes off, where the curve shows that and no learning rate.
        curve: What it was read from; null where nothing was measured.
    """

    learning_rate: float | None
    reason: str
    takes_off: float | None = None
    curve: RangeTestCurve | None = None

    @property
    def ceiling(self) -> float | None:
        """The highest rate that may be trained with; null where the curve shows none."""
        return None if self.takes_off is None else self.takes_off / EDGE_DIVISOR


def log_spaced(config: LearningRate, *, steps: int | None = None) -> list[float]:
    """Return the learning rates that the test goes through, rising, from finder_min to finder_max.

    Args:
        config: With the range.
        steps: How many; null: the config's.
    """
    rates: list[float] = np.geomspace(config.finder_min, config.finder_max, steps or config.finder_steps).tolist()
    return rates


def suggest(rates: list[float], losses: list[float]) -> Suggestion:
    """Return the middle of the valley's slope; without a valley no rate, and the one at which the loss takes off.

    The slope is the longest run of points in which the smoothed loss keeps falling, from where a tenth of the fall is
    done: points need not be neighbours to be in the run, so that noise does not cut it. Of a broad valley whose slope
    begins in the noise, a quarter of the rate with the lowest loss is nearer to what is wanted, and taken. A model
    from scratch often has no valley: in a few dozen steps it does not learn, and all that shows is where it breaks. Nor
    has a pretrained one within the rates at which it is fine-tuned. Then the test does not know.

    Args:
        rates: Rising.
        losses: Not smoothed, as many; the curve ends before the first that is not finite.
    """
    finite = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))
    if finite == 0:
        return Suggestion(learning_rate=None, reason="the loss was finite on 0 steps")
    if finite < MIN_POINTS:
        return _unknown(rates, finite, because=f"the loss was finite on {finite} steps only")
    valley = _valley(rates[:finite], losses[:finite])
    if valley.learning_rate is not None:
        return valley
    edge = _take_off(losses[:finite], broke=finite < len(losses))
    return valley if edge is None else _unknown(rates, edge, because=valley.reason)


def _valley(rates: list[float], losses: list[float]) -> Suggestion:
    smoothed = smooth(losses)
    first, last = _longest_fall(smoothed)
    drop = smoothed[first] - smoothed[last]
    needed = max(MIN_FALL * abs(smoothed[first]), FALL_DEVIATIONS * _noise(losses))
    if drop < needed or drop == 0:
        return Suggestion(
            learning_rate=None,
            reason=f"no valley: the loss fell by {drop:.3g}, by {needed:.3g} at least if it is not noise",
        )
    begun = smoothed[first] - SLOPE_BEGINS * drop
    start = max(place for place in range(first, last + 1) if smoothed[place] >= begun)
    # The middle by logarithm, as the rates are log-spaced.
    middle, lowest = rates[(start + last) // 2], rates[_lowest(losses)]
    return Suggestion(
        learning_rate=max(middle, lowest * SHARE_OF_LOWEST),
        reason=f"valley: the loss falls by {drop / abs(smoothed[first]):.0%} from {rates[first]:.1e} to "
        f"{rates[last]:.1e}; it is lowest at {lowest:.1e}",
    )


def _unknown(rates: list[float], edge: int, *, because: str) -> Suggestion:
    """Return no rate, but the one at which the loss takes off."""
    return Suggestion(learning_rate=None, reason=f"{because}; it takes off at {rates[edge]:.1e}", takes_off=rates[edge])


def _noise(losses: list[float]) -> float:
    """Return the standard deviation of the losses about their course, which a few leaps do not change."""
    steps = np.abs(np.diff(losses))
    # Of a normal distribution, the median distance from the mean is 0.6745 deviations.
    return float(np.median(steps)) / (0.6745 * math.sqrt(2))


def _lowest(losses: list[float]) -> int:
    """Return where the loss is lowest, smoothed to both sides: an average of the past alone comes too late."""
    places = np.arange(len(losses))
    width = len(losses) * LOWEST_WIDTH
    weights = np.exp(-0.5 * ((places[:, None] - places) / width) ** 2)
    return int(np.argmin(weights @ np.array(losses) / weights.sum(axis=1)))


def _take_off(losses: list[float], *, broke: bool) -> int | None:
    """Return the place from which the smoothed loss stays above the noise of the curve's first half.

    Args:
        broke: The loss was not finite after the last of them; then the last place at the latest.
    """
    smoothed = smooth(losses)
    calm = np.array(losses[: len(losses) // 2])
    limit = calm.mean() + max(RISE_DEVIATIONS * calm.std(), MIN_RISE * abs(calm.mean()))
    below = [place for place, loss in enumerate(smoothed) if loss <= limit]
    edge = below[-1] + 1 if below else 0
    if edge < len(smoothed):
        return edge
    return len(smoothed) - 1 if broke else None


def _longest_fall(values: list[float]) -> tuple[int, int]:
    """Return the first and last place of the longest strictly falling subsequence; the first of several."""
    length = [1] * len(values)
    start = list(range(len(values)))
    for here in range(len(values)):
        for before in range(here):
            if values[before] > values[here] and length[before] + 1 > length[here]:
                length[here] = length[before] + 1
                start[here] = start[before]
    last = max(range(len(values)), key=lambda place: length[place])
    return start[last], last


def has_blown_up(losses: list[float]) -> bool:
    """Whether the test may stop: the loss is not finite, or far above the best smoothed one."""
    if not math.isfinite(losses[-1]):
        return True
    smoothed = smooth(losses)
    return len(losses) >= MIN_POINTS and smoothed[-1] > BLOW_UP * min(smoothed)


def find_learning_rate(
    plan: TrainingPlan,
    *,
    context: RunContext,
    hardware: Hardware,
    steps: int | None = None,
    fingerprint: str = "",
) -> Suggestion:
    """Return the range test's suggestion; model and random generators are left as they were.

    One multiplier moves all groups, so that their ratios stay. The points are kept every few seconds and at a stop: a
    test that resumes from them gives the suggestion of one that was neither stopped nor killed.

    Args:
        plan: Its rows and its config's learning-rate range are those of the test.
        context: Checked before each step for a request to stop; its checkpoint may hold the points of a stopped test.
        hardware: The model is moved to its device.
        steps: Of the test; null: the config's.
        fingerprint: Of the run and of everything that changes the answer; points with another one are not gone on from.

    Raises:
        InterruptedRun: A stop was requested.
        OutOfMemoryError: Memory ran out after every back-off.

    Source:
        Smith 2017, arXiv 1506.01186, section 3.3.
    """
    task = plan.task
    task.model.to(hardware.device)
    weights = weights_of(task.model)
    generators = generator_states()
    scaler = hardware.accelerator.scaler
    scale = None if scaler is None else scaler.state_dict()
    task.model.train()
    try:
        return _RangeTest(plan, context=context, hardware=hardware, steps=steps, fingerprint=fingerprint).run()
    finally:
        task.model.load_state_dict(weights)
        restore_generators(generators)
        if scaler is not None:
            scaler.load_state_dict(scale)
        # It keeps every optimizer that it prepared, and with it moments as large as the model twice over.
        hardware.accelerator.free_memory()


class _RangeTest:
    """One range test, from its first step or from where another attempt had to stop."""

    def __init__(
        self, plan: TrainingPlan, *, context: RunContext, hardware: Hardware, steps: int | None, fingerprint: str
    ) -> None:
        self._plan = plan
        self._context = context
        self._hardware = hardware
        self._fingerprint = fingerprint
        self._rates = log_spaced(plan.config.learning_rate, steps=steps)
        self._losses: list[float] = []
        # What the labels of each step alone would cost; between small batches this varies more than what is learnt.
        self._chances: list[float] = []
        self._chance_of_class = plan.chance_losses
        self._timer = KeepTimer()
        self._announced = False
        # A stepper of its own: its optimizer's moments must not reach the real training.
        self._stepper = Stepper(
            plan.task,
            labels=plan.labels,
            config=plan.config,
            hardware=hardware,
            events=None,
            class_weights=plan.class_weights,
        )

    def run(self) -> Suggestion:
        self._restore()
        begun = len(self._losses)
        progress = StepProgress(self._context.events, total=len(self._rates), done=begun)
        progress.report(begun)
        steps = zip(self._rates, _steps_without_end(self._plan), strict=False)
        for place, (rate, batches) in enumerate(steps):
            if place >= begun and self._losses and has_blown_up(self._losses):
                break
            self._chances.append(self._chance(batches))
            if place < begun:
                continue
            self._stop_if_requested()
            report = self._stepper.step(batches, learning_rate=rate)
            # An overflow that the scaler sees to is none of the rate's making.
            overflow = report.skipped and self._hardware.accelerator.scaler is None
            self._losses.append(math.nan if overflow else report.loss)
            if self._timer.is_due():
                self._keep()
            progress.report(len(self._losses))
        # Before the answer is used: what is kept here is the whole test.
        self._stop_if_requested()
        rates, losses = self._rates[: len(self._losses)], self._above_chance()
        return replace(suggest(rates, losses), curve=curve_of(rates, losses))

    def _chance(self, batches: list[Rows]) -> float:
        labels_R = self._plan.labels[np.concatenate(batches)]
        return float(self._chance_of_class[labels_R].mean())

    def _above_chance(self) -> list[float]:
        """Return the losses with their batches' labels evened out: each batch as if it had the rows' prevalence.

        Source:
            A control variate, as in Owen 2013, "Monte Carlo theory, methods and examples", section 8.9.
        """
        of_all = float(self._chance_of_class[self._plan.labels[self._plan.rows]].mean())
        return [loss - chance + of_all for loss, chance in zip(self._losses, self._chances, strict=False)]

    def _restore(self) -> None:
        """Go on from the points that the context's checkpoint holds, if they are this run's."""
        if self._context.resume is None:
            return
        try:
            points = load_points(self._context.resume)
        except DataError as error:
            self._warn(f"{error}; the test begins from the start")
            return
        if points is None:
            return
        if points.fingerprint != self._fingerprint:
            self._warn("the points of the stopped learning-rate test are of other settings: it begins from the start")
            return
        points.restore(model=self._plan.task.model, stepper=self._stepper, hardware=self._hardware)
        self._losses = list(points.losses)

    def _warn(self, message: str) -> None:
        self._context.events.write(EventKind.WARNING, code="lr_finder_restarted", message=message)

    def _stop_if_requested(self) -> None:
        if not self._losses:
            self._context.raise_if_stopped()
        if not self._context.stop.is_set():
            return
        folder = self._keep()
        raise InterruptedRun(
            f"stopped in the learning-rate test: {len(self._losses)} of {len(self._rates)} steps are kept; go on with "
            f"--resume {folder}"
        )

    def _keep(self) -> Path:
        """Write the points into the run's checkpoint folder, tell it once, and return the folder."""
        began = time.monotonic()
        folder = self._context.out / CHECKPOINT_FOLDER
        FinderPoints.of(
            self._losses,
            fingerprint=self._fingerprint,
            model=self._plan.task.model,
            stepper=self._stepper,
            hardware=self._hardware,
        ).save(folder)
        if not self._announced:
            self._context.events.write(EventKind.CHECKPOINT, step=0, path=CHECKPOINT_FOLDER)
            self._announced = True
        self._timer.kept(began)
        return folder


def _steps_without_end(plan: TrainingPlan) -> Iterator[list[Rows]]:
    for epoch in itertools.count():
        yield from plan.steps(np.random.default_rng([BATCH_ORDER_SEED, epoch]))
