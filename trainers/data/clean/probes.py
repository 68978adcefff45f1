"""Probes: the scores of classifiers without understanding, which show how far a data set leaks its labels.

A bag of tokens, a bag of the names alone, and the mere length are fitted on train; regularisation and threshold are
chosen on dev, as they are for our models; and they are scored on gate. A detector that does not clearly beat them has
learnt nothing that matters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_recall_curve, roc_auc_score

from cellgate.contract.configs import Split
from cellgate.contract.evidence import Baseline
from trainers.data.clean.lexing import Lexed
from trainers.data.read.row import Row

# Inverse regularisation strengths that are tried.
STRENGTHS = (0.1, 1.0, 10.0)
MAX_FIT_ROWS = 20_000
MAX_TOKENS = 20_000
TOKEN_PATTERN = r"\w+|[^\w\s]"
DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class ProbeScores:
    """One probe's scores on gate, at the threshold of the best F1 on dev.

    Args:
        strength: Inverse regularisation, chosen on dev by AUROC.
    """

    f1: float
    auroc: float
    accuracy: float
    strength: float


@dataclass(frozen=True, kw_only=True)
class Probes:
    """The probes' scores, and the F1 of calling everything vulnerable."""

    bag_of_tokens: ProbeScores
    length: ProbeScores
    identifiers: ProbeScores
    all_positive_f1: float

    def to_json(self) -> dict[str, object]:
        """Return the probes as they stand in the report."""
        return asdict(self)

    def baselines(self) -> list[Baseline]:
        """Return the scores by name; calling everything vulnerable ranks nothing, so its AUROC is 1/2."""
        return [
            Baseline(name="all_positive", f1=self.all_positive_f1, auroc=0.5),
            Baseline(name="bag_of_tokens", f1=self.bag_of_tokens.f1, auroc=self.bag_of_tokens.auroc),
            Baseline(name="length", f1=self.length.f1, auroc=self.length.auroc),
            Baseline(name="identifiers", f1=self.identifiers.f1, auroc=self.identifiers.auroc),
        ]


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The three splits that a probe needs: features and labels."""

    train: tuple[sparse.csr_matrix, np.ndarray]
    dev: tuple[sparse.csr_matrix, np.ndarray]
    gate: tuple[sparse.csr_matrix, np.ndarray]


def run_probes(rows: Sequence[Row], lexed: Iterable[Lexed], splits: Sequence[Split]) -> Probes:
    """Fit and score the probes.

    Args:
        rows: The functions.
        lexed: Their tokens, some functions at a time.
        splits: The split of each; train, dev and gate have both classes.
    """
    places = {
        split: np.array([i for i, own in enumerate(splits) if own is split])
        for split in (Split.TRAIN, Split.DEV, Split.GATE)
    }
    # Evenly spaced, so that every part of a file that is ordered by project is seen.
    step = max(1, -(-len(places[Split.TRAIN]) // MAX_FIT_ROWS))
    places[Split.TRAIN] = places[Split.TRAIN][::step]
    rows_of = {split: [rows[i] for i in chosen] for split, chosen in places.items()}
    labels = {split: np.array([row.label for row in own]) for split, own in rows_of.items()}

    def score(features: dict[Split, sparse.csr_matrix]) -> ProbeScores:
        train, dev, gate = ((features[split], labels[split]) for split in (Split.TRAIN, Split.DEV, Split.GATE))
        return _score(_Parts(train=train, dev=dev, gate=gate))

    return Probes(
        bag_of_tokens=score(_tokens(rows_of)),
        length=score({split: _lengths(own) for split, own in rows_of.items()}),
        identifiers=score(_identifiers(lexed, places, functions=len(rows))),
        all_positive_f1=round(float(f1_score(labels[Split.GATE], np.ones_like(labels[Split.GATE]))), DIGITS),
    )


def _tokens(rows_of: Mapping[Split, Sequence[Row]]) -> dict[Split, sparse.csr_matrix]:
    """Return how often each of train's most frequent tokens stands in each function, weighted."""
    vectorizer = CountVectorizer(token_pattern=TOKEN_PATTERN, lowercase=False, max_features=MAX_TOKENS)
    texts = {split: (row.func for row in own) for split, own in rows_of.items()}
    # Train is split into tokens once, for its vocabulary and its counts.
    counts = {Split.TRAIN: vectorizer.fit_transform(texts.pop(Split.TRAIN))}
    counts[Split.TRAIN].sort_indices()
    counts |= {split: vectorizer.transform(text) for split, text in texts.items()}
    return _weighted(counts)


def _weighted(counts: dict[Split, sparse.csr_matrix]) -> dict[Split, sparse.csr_matrix]:
    weighting = TfidfTransformer(sublinear_tf=True).fit(counts[Split.TRAIN])
    return {split: weighting.transform(counted) for split, counted in counts.items()}


def _lengths(rows: Sequence[Row]) -> sparse.csr_matrix:
    """Return log lengths in characters and lines, which is near the scale that the regression expects."""
    return sparse.csr_matrix([[np.log1p(len(text)), np.log1p(text.count("\n"))] for text in (row.func for row in rows)])


def _identifiers(
    lexed: Iterable[Lexed], places: dict[Split, np.ndarray], *, functions: int
) -> dict[Split, sparse.csr_matrix]:
    """Return how often each name stands in each function, weighted as the bag of tokens is; keywords are no names."""
    is_needed_F = np.zeros(functions, dtype=np.bool_)
    is_needed_F[np.concatenate(list(places.values()))] = True
    # For each function its row among the needed ones.
    row_F = np.cumsum(is_needed_F) - 1
    needed, words, done = [], 0, 0
    for chunk in lexed:
        words = len(chunk.words)
        own = slice(done, done + len(chunk.sizes_F))
        needed.append(_name_counts(chunk)[is_needed_F[own]])
        done = own.stop
    for counted in needed:
        counted.resize(counted.shape[0], words)
    counts = sparse.vstack(needed, format="csr")
    in_train = np.asarray(counts[row_F[places[Split.TRAIN]]].sum(axis=0)).ravel()
    frequent = np.argsort(-in_train, kind="stable")[:MAX_TOKENS]
    frequent = frequent[in_train[frequent] > 0]
    counts = counts[:, frequent]
    return _weighted({split: counts[row_F[chosen]] for split, chosen in places.items()})


def _name_counts(lexed: Lexed) -> sparse.csr_matrix:
    chosen_T = lexed.is_identifier_T
    cells = (lexed.function_T[chosen_T], lexed.word_T[chosen_T])
    shape = (len(lexed.sizes_F), len(lexed.words))
    return sparse.csr_matrix((np.ones(len(cells[0])), cells), shape=shape, dtype=np.float64)


def _score(parts: _Parts) -> ProbeScores:
    models = {strength: _fit(parts.train, strength) for strength in STRENGTHS}
    features, labels = parts.dev
    strength = max(models, key=lambda s: roc_auc_score(labels, models[s].decision_function(features)))
    threshold = _best_threshold(labels, models[strength].decision_function(features))
    features, labels = parts.gate
    scores = models[strength].decision_function(features)
    return ProbeScores(
        f1=round(float(f1_score(labels, scores >= threshold, zero_division=0.0)), DIGITS),
        auroc=round(float(roc_auc_score(labels, scores)), DIGITS),
        accuracy=round(float(accuracy_score(labels, scores >= threshold)), DIGITS),
        strength=strength,
    )


def _best_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the score from which on calling a function vulnerable has the best F1."""
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    # The curve ends with a point that has no threshold.
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[np.argmax(f1[:-1])])


def _fit(train: tuple[sparse.csr_matrix, np.ndarray], strength: float) -> LogisticRegression:
    model = LogisticRegression(C=strength, solver="liblinear", max_iter=1_000, tol=1e-3, random_state=0)
    model.fit(*train)
    return model
