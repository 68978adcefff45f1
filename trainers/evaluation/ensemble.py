"""The weighted mean of two calibrated models, the weight that serves best, and the mean over seeds."""

# Shapes: R rows, S seeds.
import numpy as np

from trainers.engine.calibration import FitTemperature, fit_temperature
from trainers.engine.metrics import Floats, Integers, best_threshold, cross_entropy, f1_score, sigmoid

WEIGHTS = np.linspace(0.0, 1.0, 21)


def ensemble_log_odds(text_R: Floats, graph_R: Floats, *, text_weight: float) -> Floats:
    """Return the log-odds of `text_weight * p_text + (1 - text_weight) * p_graph`, (R,).

    Computed from logarithms: a probability that rounds to 1 still has its log-odds.

    Args:
        text_R: The text model's calibrated log-odds, finite.
        graph_R: The graph model's.
        text_weight: 0 to 1.
    """
    return _log_mixture(text_R, graph_R, text_weight) - _log_mixture(-text_R, -graph_R, text_weight)


def _log_mixture(text_R: Floats, graph_R: Floats, text_weight: float) -> Floats:
    with np.errstate(divide="ignore"):
        log_text, log_graph = np.log(text_weight), np.log1p(-text_weight)
    mixture_R: Floats = np.logaddexp(log_text - np.logaddexp(0.0, -text_R), log_graph - np.logaddexp(0.0, -graph_R))
    return mixture_R


def log_odds_of_mean(log_odds_SR: Floats) -> Floats:
    """Return the log-odds of the mean over seeds of the probabilities that have these log-odds, (R,).

    Computed from logarithms: a probability that rounds to 1 still has its log-odds. One seed's are its own.
    """
    if len(log_odds_SR) == 1:
        only_R: Floats = log_odds_SR[0]
        return only_R
    likely_R: Floats = np.logaddexp.reduce(-np.logaddexp(0.0, -log_odds_SR), axis=0)
    unlikely_R: Floats = np.logaddexp.reduce(-np.logaddexp(0.0, log_odds_SR), axis=0)
    return likely_R - unlikely_R


def temperature_of(labels_R: Integers, log_odds_R: Floats, *, fit: FitTemperature = fit_temperature) -> float:
    """Return what an ensemble's log-odds are to be divided by: the mean of two calibrated models is not calibrated.

    Args:
        labels_R: 0 or 1, of dev.
        log_odds_R: The ensemble's.
        fit: Fits it.

    Source:
        Rahaman and Thiery 2021, arXiv 2007.08792 (pool, then calibrate).
    """
    return fit(labels_R, np.stack([np.zeros_like(log_odds_R), log_odds_R], axis=1))


def tune_text_weight(labels_R: Integers, text_R: Floats, graph_R: Floats) -> float:
    """Return the weight, of 0, 0.05 … 1, with the best F1 at its best threshold; of equals the least cross-entropy.

    Args:
        labels_R: 0 or 1, of a split that neither model was fitted on.
        text_R: The text model's calibrated log-odds.
        graph_R: The graph model's.
    """

    def score(weight: float) -> tuple[float, float]:
        log_odds_R = ensemble_log_odds(text_R, graph_R, text_weight=weight)
        probability_R = sigmoid(log_odds_R)
        threshold = best_threshold(labels_R, probability_R)
        return f1_score(labels_R, probability_R >= threshold), -cross_entropy(labels_R, log_odds_R)

    return float(max(WEIGHTS.tolist(), key=score))
