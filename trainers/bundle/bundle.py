"""An open bundle: turns functions into probabilities, verdicts, and the lines that weighed most."""

# Shapes: F functions.
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.bundle import BundleManifest, read_bundle_manifest
from cellgate.contract.errors import DataError, InputError, SpecError
from cellgate.contract.specs import Explain
from trainers.bundle.attribution import RUNS, Occluder, Weight
from trainers.bundle.contributions import leanings
from trainers.bundle.models import Functions
from trainers.bundle.scorer import Scored, SeedScorers
from trainers.bundle.verdict import FunctionVerdict
from trainers.data.encoding import build_chunk, quality_names
from trainers.data.read.row import normalise
from trainers.engine.abstention import distances
from trainers.engine.metrics import Floats, sigmoid

# Functions that are parsed, tokenised and scored together.
CHUNK = 256
# Characters of all occlusions that are scored together.
OCCLUDED_CHARS = 1 << 19
SELF_TEST_TOLERANCE = 1e-5


class Bundle:
    """Trained models with everything that they need to score source text on a CPU.

    Use `Bundle.open`. Threads that share one wait for each other.
    """

    def __init__(self, manifest: BundleManifest, seeds: SeedScorers) -> None:
        self.manifest = manifest
        self._seeds = seeds
        self._lock = Lock()

    @classmethod
    def open(cls, path: Path, *, self_test: bool = True) -> Self:
        """Open the bundle in a folder, every file checked against its hash.

        Args:
            self_test: Have it score its own functions too, as `self_test` does.

        Raises:
            DataError: It is missing, damaged, holds anything that it does not list, or scores otherwise here than
                where it was made.
            SpecError: A text model cannot be loaded by this version of its library.
        """
        bundle = cls.load(path, read_bundle_manifest(path))
        if self_test:
            bundle.self_test()
        return bundle

    @classmethod
    def load(cls, path: Path, manifest: BundleManifest) -> Self:
        """Load the models of a bundle that was checked against its manifest.

        Raises:
            DataError: A model reads graphs that cannot be made from source.
            SpecError: A text model cannot be loaded by this version of its library.
        """
        return cls(
            manifest,
            SeedScorers.load(
                path, manifest.members, text_weight=manifest.text_weight, temperature=manifest.temperature
            ),
        )

    def self_test(self) -> float:
        """Return how far its scores here are from those where it was made, as a difference of probabilities.

        Raises:
            DataError: They are farther apart than rounding explains.
        """
        predictions = self.predict([test.source for test in self.manifest.self_test], explain="none")
        differences = [
            abs(prediction.probability - test.probability)
            for prediction, test in zip(predictions, self.manifest.self_test, strict=True)
        ]
        problems = [
            InputError(
                where=f"self-test, function {place}",
                found=f"a probability that differs by {difference:.2g}",
                expected=f"{SELF_TEST_TOLERANCE:g} at most",
                fix="install the versions that bundle.json names under environment, or make the bundle again",
            )
            for place, difference in enumerate(differences)
            if difference > SELF_TEST_TOLERANCE
        ]
        if problems:
            raise DataError("the bundle scores otherwise on this machine than where it was made", problems)
        return max(differences)

    def predict(
        self, functions: Sequence[str], *, threshold: float | None = None, explain: Explain = "findings"
    ) -> list[FunctionVerdict]:
        """Score functions, each by itself, in their order.

        Args:
            functions: C or C++ source text, one function each.
            threshold: Instead of the bundle's own, 0 to 1.
            explain: Which of them to score again without each of their lines, which takes many times as long.

        Raises:
            DataError: A function is empty or no Unicode text; all of them are named.
            SpecError: The threshold is not a probability.
        """
        limit = self.manifest.threshold if threshold is None else threshold
        if not 0 <= limit <= 1:
            problem = InputError(where="threshold", found=str(limit), expected="a probability, 0 to 1")
            raise SpecError("the threshold is not a probability", [problem])
        sources = _checked(functions)
        with self._lock:
            return [
                prediction
                for first in range(0, len(sources), CHUNK)
                for prediction in self._predict(sources[first : first + CHUNK], threshold=limit, explain=explain)
            ]

    def _predict(self, sources: Sequence[str], *, threshold: float, explain: Explain) -> Iterator[FunctionVerdict]:
        graphs = build_chunk(sources, self.manifest.max_nodes)
        functions = Functions(sources=sources, max_nodes=self.manifest.max_nodes, graphs=graphs)
        scored = self._seeds.score(functions, contributions=explain != "none")
        probability_F = sigmoid(scored.log_odds_F)
        explained_F = _explained(probability_F, threshold=threshold, explain=explain)
        weights = self._weights(sources, scored, np.flatnonzero(explained_F).tolist())
        facts = zip(
            probability_F.tolist(),
            self._abstains(scored.log_odds_F, threshold).tolist(),
            quality_names(graphs),
            scored.truncated_F.tolist(),
            _graph_truncated(functions),
            explained_F.tolist(),
            strict=True,
        )
        for probability, abstains, quality, text_truncated, graph_truncated, explained in facts:
            yield FunctionVerdict(
                probability=probability,
                threshold=threshold,
                abstains=abstains,
                graph_quality=quality,
                text_truncated=text_truncated,
                graph_truncated=graph_truncated,
                weights=next(weights) if explained else None,
            )

    def _abstains(self, log_odds_F: Floats, threshold: float) -> NDArray[np.bool_]:
        """Return for each function whether it is too near the threshold; only the bundle's own has a margin."""
        stated = self.manifest.abstention
        if stated is None or threshold != self.manifest.threshold:
            return np.zeros(len(log_odds_F), dtype=bool)
        [margin] = stated.margins
        return distances(log_odds_F, threshold) < (math.inf if margin is None else margin)

    def _weights(self, sources: Sequence[str], scored: Scored, chosen: Sequence[int]) -> Iterator[tuple[Weight, ...]]:
        """Yield the weights of each chosen function's lines; occluded together, as far as memory allows."""
        hints = iter(leanings(scored.contributions, sources, chosen))
        log_odds = iter(scored.log_odds_F[chosen].tolist())
        for group in _groups([sources[place] for place in chosen]):
            occluders = [Occluder(source, log_odds=next(log_odds), leaning_L=next(hints)) for source in group]
            while any(parts := [occluder.next_parts() for occluder in occluders]):
                without = iter(self._scored_without([part.source for of_one in parts for part in of_one]))
                for occluder, of_one in zip(occluders, parts, strict=True):
                    occluder.take([next(without) for _ in of_one])
            yield from (occluder.weights() for occluder in occluders)

    def _scored_without(self, sources: Sequence[str]) -> list[float]:
        with_graphs = self._seeds.read_graphs
        functions = Functions.read(sources, max_nodes=self.manifest.max_nodes, with_graphs=with_graphs)
        log_odds: list[float] = self._seeds.score(functions).log_odds_F.tolist()
        return log_odds


def _groups(sources: Sequence[str]) -> Iterator[list[str]]:
    """Yield the functions in groups whose occlusions have about OCCLUDED_CHARS characters; a larger one is alone."""
    group: list[str] = []
    held = 0
    for source in sources:
        size = len(source) * min(source.count("\n") + 1, RUNS)
        if group and held + size > OCCLUDED_CHARS:
            yield group
            group, held = [], 0
        group.append(source)
        held += size
    if group:
        yield group


def _checked(functions: Sequence[str]) -> list[str]:
    """Return the functions as `prepare` would have them."""
    sources = [normalise(function) for function in functions]
    problems = []
    for place, source in enumerate(sources):
        where = f"/functions/{place}"
        if not source:
            problems.append(
                InputError(
                    where=where, found="nothing but white space", expected="a C or C++ function", fix="leave it out"
                )
            )
        elif (found := _surrogate(source)) is not None:
            problems.append(InputError(where=where, found=found, expected="Unicode text", fix="decode it as UTF-8"))
    if problems:
        raise DataError("functions cannot be scored", problems)
    return sources


def _surrogate(source: str) -> str | None:
    try:
        source.encode()
    except UnicodeEncodeError as error:
        return f"half a character (U+{ord(source[error.start]):04X}) at position {error.start}"
    return None


def _explained(probability_F: Floats, *, threshold: float, explain: Explain) -> np.ndarray:
    match explain:
        case "none":
            return np.zeros(len(probability_F), dtype=bool)
        case "findings":
            return probability_F >= threshold
        case "all":
            return np.ones(len(probability_F), dtype=bool)


def _graph_truncated(functions: Functions) -> list[bool]:
    """Return for each function whether its graph was cut off; one that is just full is read again, alone."""
    graphs, limit = functions.graphs, functions.max_nodes
    if graphs is None or not graphs.truncated:
        return [False] * len(functions.sources)
    return [
        nodes == limit and bool(build_chunk([source], limit).truncated)
        for nodes, source in zip(graphs.nodes_F.tolist(), functions.sources, strict=True)
    ]
