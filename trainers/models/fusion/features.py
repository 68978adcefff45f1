"""Outputs of the two frozen models for every function of dev, fuse, gate and test: read once, never computed again."""

# Shapes: F functions of the data set, K functions that have features, R rows of a split.
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellgate.contract.configs import Split
from trainers.data.dataset import Dataset
from trainers.engine.metrics import margins
from trainers.engine.predictions import Predictions
from trainers.engine.task import Rows
from trainers.evaluation.ensemble import ensemble_log_odds
from trainers.evaluation.finished_runs import FinishedRun, read_joined
from trainers.models.fusion.model import FusionBatch

SPLITS = (Split.DEV, Split.FUSE, Split.GATE, Split.TEST)
# A graph quality of the data set: what is left is the order of the tokens.
NOTHING_PARSED = "token_chain"


@dataclass(frozen=True, kw_only=True)
class Features:
    """The heads' inputs, for every function of the splits that a fusion run reads.

    Args:
        place_F: Place of each of the data set's rows in `inputs`, int64; K, which is beyond them, for rows of train.
        inputs: Of K functions.
    """

    place_F: NDArray[np.int64]
    inputs: FusionBatch

    @property
    def widths(self) -> tuple[int, int]:
        """Width of the text and of the graph embeddings."""
        return self.inputs.text_BT.shape[1], self.inputs.graph_BG.shape[1]

    def batch(self, rows: Rows) -> FusionBatch:
        """Return the inputs of some rows, in their order.

        Raises:
            IndexError: A row of train is among them.
        """
        place_B = torch.from_numpy(self.place_F[rows])
        return FusionBatch(**{name: tensor.index_select(0, place_B) for name, tensor in vars(self.inputs).items()})


def read_features(text: FinishedRun, graph: FinishedRun, *, dataset: Dataset, text_weight: float) -> Features:
    """Join two finished runs' predictions by id.

    Args:
        text: The run of cell 51.
        graph: The run of cell 52, of the same seed.
        dataset: That both were trained on.
        text_weight: Of the text model in the ensemble, 0 to 1.

    Raises:
        DataError: An id is missing or too many, or a file is not the one that its result lists; all of them are named.
    """
    joined = read_joined([(run, split) for run in (text, graph) for split in SPLITS], dataset=dataset)
    of_text, of_graph = joined[: len(SPLITS)], joined[len(SPLITS) :]
    rows_K = np.concatenate([part.rows_R for part in of_text])
    # Not -1, which would quietly be the last row's place.
    place_F = np.full(len(dataset), len(rows_K), dtype=np.int64)
    place_F[rows_K] = np.arange(len(rows_K))
    text_K = np.concatenate([_log_odds(part, text) for part in of_text])
    graph_K = np.concatenate([_log_odds(part, graph) for part in of_graph])
    return Features(
        place_F=place_F,
        inputs=FusionBatch(
            text_BT=_tensor(np.concatenate([part.embeddings_RD for part in of_text])),
            graph_BG=_tensor(np.concatenate([part.embeddings_RD for part in of_graph])),
            text_log_odds_B=_tensor(text_K),
            graph_log_odds_B=_tensor(graph_K),
            ensemble_log_odds_B=_tensor(ensemble_log_odds(text_K, graph_K, text_weight=text_weight)),
            graph_missing_B=torch.tensor([quality == NOTHING_PARSED for quality in dataset.graph_qualities(rows_K)]),
        ),
    )


def _log_odds(predictions: Predictions, run: FinishedRun) -> NDArray[np.float64]:
    return margins(predictions.logits_RC) / run.temperature


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
