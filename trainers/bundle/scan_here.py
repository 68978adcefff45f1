"""Files scored in this process, a few at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.bundle import BundleManifest
from cellgate.contract.specs import Explain
from trainers.bundle.file_scoring import FileOutcome, FileTask, Predictor, score_files

# Files that are scored together: so many, or of so many bytes; a larger one alone.
BATCH_FILES = 64
BATCH_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Files that are scored together.

    Args:
        places: Of the files among all tasks.
        size_bytes: Of all of them.
    """

    places: tuple[int, ...]
    size_bytes: int


def batches(tasks: Sequence[FileTask]) -> list[Batch]:
    """Return the files in their order, as batches; a file that is gone has no size."""
    whole: list[Batch] = []
    places: list[int] = []
    held = 0
    for place, task in enumerate(tasks):
        size = _size(task.path)
        if places and (len(places) == BATCH_FILES or held + size > BATCH_BYTES):
            whole.append(Batch(places=tuple(places), size_bytes=held))
            places, held = [], 0
        places.append(place)
        held += size
    if places:
        whole.append(Batch(places=tuple(places), size_bytes=held))
    return whole


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class LocalScorer:
    """Scores files in this process.

    Args:
        opener: Opens the bundle, once there is a file to score.
        manifest: Of the bundle.
    """

    def __init__(self, opener: Callable[[], Predictor], manifest: BundleManifest) -> None:
        self.manifest = manifest
        self._opener = opener

    def score(
        self, tasks: Sequence[FileTask], *, threshold: float | None, explain: Explain
    ) -> Iterator[tuple[int, FileOutcome]]:
        """Yield each file's place among the tasks and what came of it.

        Raises:
            TrainerError: The bundle cannot be opened, or the threshold is not a probability.
        """
        planned = batches(tasks)
        if not planned:
            return
        bundle = self._opener()
        for batch in planned:
            chosen = [tasks[place] for place in batch.places]
            outcomes = score_files(bundle, chosen, threshold=threshold, explain=explain)
            yield from zip(batch.places, outcomes, strict=True)
