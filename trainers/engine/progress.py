"""Reports progress and curves of training, often enough to watch and seldom enough to store."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from torch import nn

from cellgate.contract.events import EventKind, EventWriter
from trainers.engine.gradients import weight_norms
from trainers.engine.optimization import StepReport
from trainers.engine.task import ParameterGroup

PROGRESS_EVERY_S = 0.5
# About so many points per curve and run.
CURVE_POINTS = 200


class StepProgress:
    """Writes `progress` of a phase that has steps and no epochs, at most twice a second.

    Args:
        total: Steps of the phase.
        done: Those that were done before this process.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, events: EventWriter, *, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._events = events
        self._total = total
        self._first = done
        self._clock = clock
        self._begun = clock()
        self._said = float("-inf")

    def report(self, done: int) -> None:
        """Write a progress event, unless one was written just now; the last step is always told."""
        now = self._clock()
        if now - self._said < PROGRESS_EVERY_S and done < self._total:
            return
        self._said = now
        done_here = done - self._first
        eta_s = round((now - self._begun) / done_here * (self._total - done), 1) if done_here else None
        self._events.write(EventKind.PROGRESS, done=done, total=self._total, eta_s=eta_s)


class TrainingProgress:
    """Writes `progress` at most twice a second, and `metric` every so many steps.

    Args:
        total: Optimizer steps of the whole run.
        done: Those that were done before this process.
        epochs: Of the whole run.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        events: EventWriter,
        *,
        total: int,
        done: int,
        epochs: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events = events
        self._total = total
        self._first = done
        self._epochs = epochs
        self._clock = clock
        self._begun = clock()
        self._said = float("-inf")
        self._losses: list[float] = []
        self._every = max(1, total // CURVE_POINTS)

    def tell_step(
        self,
        report: StepReport,
        *,
        step: int,
        epoch: int,
        learning_rate: float,
        groups: Sequence[ParameterGroup],
        components: Mapping[str, Sequence[nn.Parameter]],
    ) -> None:
        """Record one optimizer step and write the events that are due.

        Args:
            report: Of the step.
            step: Number of steps done, this one included.
            epoch: From 0.
            learning_rate: Of a group whose ratio is 1.
            groups: Each gets a curve of its learning rate.
            components: Each gets a curve of its weight norm.
        """
        self._losses.append(report.loss)
        if step % self._every == 0:
            values = {"train/loss": sum(self._losses) / len(self._losses), "grad_norm/total": report.norms.total}
            values |= {f"lr/{group.name}": learning_rate * group.lr_ratio for group in groups}
            values |= {f"grad_norm/{name}": norm for name, norm in report.norms.components.items()}
            values |= {f"weight_norm/{name}": norm for name, norm in weight_norms(components).items()}
            self._losses.clear()
            # A scaler's overflow leaves an infinite norm; a curve has no place for it.
            finite = {key: value for key, value in values.items() if math.isfinite(value)}
            self._events.write(EventKind.METRIC, step=step, values=finite)
        self.report(step=step, epoch=epoch)

    def report(self, *, step: int, epoch: int, force: bool = False) -> None:
        """Write a progress event, unless one was written just now.

        Args:
            epoch: From 0; written from 1.
        """
        now = self._clock()
        if now - self._said < PROGRESS_EVERY_S and not force:
            return
        self._said = now
        done_here = step - self._first
        eta_s = round((now - self._begun) / done_here * (self._total - step), 1) if done_here else None
        self._events.write(
            EventKind.PROGRESS,
            done=step,
            total=self._total,
            epoch=min(epoch + 1, self._epochs),
            epochs=self._epochs,
            eta_s=eta_s,
        )
