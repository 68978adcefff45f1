"""What the functions that a detector is judged by share with those that it was trained on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import Split
from cellgate.contract.results import TrainingOverlap
from trainers.data.clean.lexing import lex
from trainers.data.clean.near_duplicates import find_near_pairs
from trainers.data.dataset import Dataset

SIMILARITY = 0.8
# All that fixes something in a model: its weights, its threshold and calibration, and fusion.
LEARNT_FROM = (Split.TRAIN, Split.DEV, Split.FUSE)


def measure_overlap(
    dataset: Dataset, rows_R: NDArray[np.int64], trained_on: Dataset
) -> tuple[TrainingOverlap, NDArray[np.bool_]]:
    """Return the overlap, and which rows have an exact or a near duplicate among what the detector learnt from, (R,).

    Args:
        dataset: That the detector is judged by.
        rows_R: Of it, those that are judged.
        trained_on: The data set of the detector; what it learnt from is train, dev and fuse.
    """
    known = np.concatenate([trained_on.rows(split) for split in LEARNT_FROM])
    sources, learnt = dataset.sources(rows_R), trained_on.sources(known)
    texts = {_squeezed(text) for text in learnt}
    exact_R = np.array([_squeezed(text) in texts for text in sources], dtype=np.bool_)
    near_R, complete = _near(sources, learnt)
    projects = set(trained_on.projects(known)) - {None}
    commits = set(trained_on.commits(known)) - {None}
    of_project = [project for project in dataset.projects(rows_R) if project in projects]
    overlap = TrainingOverlap(
        functions=len(learnt),
        exact=int(exact_R.sum()),
        near=int((near_R & ~exact_R).sum()),
        near_complete=complete,
        same_project=len(of_project),
        projects=sorted({str(project) for project in of_project}),
        same_commit=sum(commit in commits for commit in dataset.commits(rows_R)),
    )
    return overlap, exact_R | near_R


def _near(sources: Sequence[str], learnt: Sequence[str]) -> tuple[NDArray[np.bool_], bool]:
    pairs = find_near_pairs([lex([*sources, *learnt])], similarity=SIMILARITY)
    # Of each pair the first has the lower number: across the border it is the one that is judged.
    across_P = (pairs.first_P < len(sources)) & (pairs.second_P >= len(sources))
    near_R = np.zeros(len(sources), dtype=np.bool_)
    near_R[pairs.first_P[across_P]] = True
    return near_R, pairs.complete


def _squeezed(text: str) -> str:
    return "".join(text.split())
