"""Generated curves of the LR range test, from models of how a loss depends on the learning rate, and their optimum."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import LearningRate
from cellgate.contract.results import LearningRateOutcome
from trainers.engine.lr_choice import settle
from trainers.engine.lr_finder import has_blown_up, log_spaced, suggest

SETTINGS = LearningRate()
RATES = np.array(log_spaced(SETTINGS))
# The loss diverges beyond this many times the optimum.
EDGE = 4.0
MAX_NOISE = 0.1
# Steps of the training whose best constant rate is the optimum of a simulated curve.
TRAINING_STEPS = 300
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a range test over RATES would see, if it went through all of them.

    Args:
        kind: How it was made.
        losses: As many as RATES.
        optimum: The best rate, as the model behind the curve has it; null when there is none.
    """

    kind: str
    losses: list[float]
    optimum: float | None

    def outcome(self) -> LearningRateOutcome:
        """Return what a run would train with."""
        seen: list[float] = []
        for loss in self.losses:
            seen.append(loss)
            if has_blown_up(seen):
                break
        return settle(suggest(RATES[: len(seen)].tolist(), seen), SETTINGS)

    def distance(self) -> float:
        """Return the decades between the outcome and the optimum."""
        if self.optimum is None:
            raise ValueError(f"a curve of kind {self.kind} has no optimum")
        return abs(math.log10(self.outcome().learning_rate / self.optimum))


def _noisy(losses: Floats, rng: np.random.Generator) -> Floats:
    """Return the losses with noise of up to a tenth of each."""
    noisy: Floats = losses * (1 + rng.uniform(0, MAX_NOISE) * rng.standard_normal(len(losses)))
    return noisy


def _basin(rng: np.random.Generator) -> tuple[Floats, float]:
    """Return a basin that is quadratic in the logarithm of the rate, and its lowest point.

    Left of the basin the loss does not move; beyond four times the optimum it grows as a power of the rate.
    """
    optimum = 10 ** rng.uniform(-4.5, -2)
    width = rng.uniform(1, 2.5)
    start, share, power = rng.uniform(0.3, 3), rng.uniform(0.2, 0.9), rng.uniform(1, 3)
    decades = np.log10(RATES / optimum)
    # Right of the optimum the parabola goes on, for the weights are worse than those that the test began with.
    left = np.where(decades < -width, 0.0, 1 - (decades / width) ** 2)
    return start * (1 - share * left) + start * (np.maximum(RATES / (EDGE * optimum), 1) ** power - 1), optimum


def _quadratic(rng: np.random.Generator) -> tuple[Floats, float]:
    """Return the curve of gradient descent on a noisy quadratic, and the best constant rate of a whole training.

    Source:
        Zhang et al. 2019, arXiv 1907.04164, section 3 (the noisy quadratic model).
    """
    largest = 10 ** rng.uniform(2, 4.5)
    curvature_D = largest * np.geomspace(1, 1 / rng.uniform(3, 30), 20)
    excess, floor, noise = rng.uniform(0.3, 2), rng.uniform(0.02, 0.3), 10 ** rng.uniform(-4, -1)

    def losses(rates_SR: Floats) -> Floats:
        """Return the loss before each of S steps of R trainings at once."""
        # Squared distance from the minimum along each axis, so that all axes give the same loss at first.
        square_RD = np.tile(2 * excess / (len(curvature_D) * curvature_D), (rates_SR.shape[1], 1))
        seen = []
        for rate_R1 in rates_SR[:, :, None]:
            seen.append(floor + 0.5 * square_RD @ curvature_D)
            square_RD = (1 - rate_R1 * curvature_D) ** 2 * square_RD
            square_RD += rate_R1**2 * curvature_D * noise / len(curvature_D)
        return np.stack(seen)

    constant_R = np.geomspace(0.001, 2, 100) / largest
    final_R = losses(np.tile(constant_R, (TRAINING_STEPS, 1)))[-1]
    return losses(RATES[:, None])[:, 0], float(constant_R[np.argmin(final_R)])


def _well_posed(
    kind: str, model: Callable[[np.random.Generator], tuple[Floats, float]], *, ends_in: float | None = None
) -> Callable[[np.random.Generator], Curve]:
    def draw(rng: np.random.Generator) -> Curve:
        losses, optimum = model(rng)
        losses = _noisy(losses, rng)
        if ends_in is not None:
            from_here = np.searchsorted(RATES, EDGE * optimum * rng.uniform(1, 4))
            losses[from_here:] = ends_in
        return Curve(kind=kind, losses=losses.tolist(), optimum=optimum)

    return draw


def _without_optimum(
    kind: str, model: Callable[[np.random.Generator], Floats]
) -> Callable[[np.random.Generator], Curve]:
    return lambda rng: Curve(kind=kind, losses=model(rng).tolist(), optimum=None)


def _flat(rng: np.random.Generator) -> Floats:
    return np.full(len(RATES), rng.uniform(0.01, 3))


def _noise(rng: np.random.Generator) -> Floats:
    return _noisy(_flat(rng), rng)


def _diverging(rng: np.random.Generator) -> Floats:
    """The loss at least doubles at every step."""
    losses: Floats = rng.uniform(0.3, 3) * np.minimum(rng.uniform(2, 10) ** np.arange(len(RATES)), 1e300)
    return losses


def _nan(_: np.random.Generator) -> Floats:
    return np.full(len(RATES), math.nan)


def _falling(rng: np.random.Generator) -> Floats:
    return _noisy(np.linspace(1, rng.uniform(0.1, 0.8), len(RATES)) ** rng.uniform(0.5, 2), rng)


def _rising(rng: np.random.Generator) -> Floats:
    return _noisy(np.linspace(1, rng.uniform(1.2, 4), len(RATES)) ** rng.uniform(0.5, 2), rng)


KINDS: tuple[tuple[int, Callable[[np.random.Generator], Curve]], ...] = (
    (300, _well_posed("basin", _basin)),
    (150, _well_posed("noisy quadratic", _quadratic)),
    (75, _well_posed("basin, NaN late", _basin, ends_in=math.nan)),
    (75, _well_posed("basin, Inf late", _basin, ends_in=math.inf)),
    (50, _without_optimum("flat", _flat)),
    (100, _without_optimum("noise alone", _noise)),
    (100, _without_optimum("diverging at once", _diverging)),
    (50, _without_optimum("NaN from the start", _nan)),
    (50, _without_optimum("falling throughout", _falling)),
    (50, _without_optimum("rising throughout", _rising)),
)


def draw_curves(seed: int = 0) -> list[Curve]:
    """Return 1,000 curves; the same for the same seed."""
    return [
        draw(np.random.default_rng([seed, kind, number]))
        for kind, (count, draw) in enumerate(KINDS)
        for number in range(count)
    ]
