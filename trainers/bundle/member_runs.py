"""The finished runs that a bundle is made of, by seed, and their stored predictions."""

# Shapes: R rows of a split, S seeds.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from cellgate.contract.artifacts import RESULT_NAME
from cellgate.contract.bundle import PARTS_OF_KIND
from cellgate.contract.cells import Cell
from cellgate.contract.configs import AggregationConfig, Split
from cellgate.contract.errors import DataError, InputError, SpecError
from cellgate.contract.evidence import Abstention, DeploymentScores
from cellgate.contract.results import read_result
from cellgate.contract.specs import BundleKind
from trainers.data.dataset import Dataset
from trainers.engine.metrics import Floats, Integers, best_threshold, margins, sigmoid
from trainers.evaluation.abstention import ScoresWithAbstention
from trainers.evaluation.alert_budget import ScoresWithinBudget, with_budget
from trainers.evaluation.ensemble import (
    ensemble_log_odds,
    log_odds_of_mean,
    temperature_of,
    tune_text_weight,
)
from trainers.evaluation.finished_runs import FinishedRun, read_joined
from trainers.evaluation.prevalence import ScoresAtPrevalence

PACKABLE = {cell.value: cell for cell in (Cell.TRANSFORMER, Cell.GNN, Cell.FUSION)}


@dataclass(frozen=True, kw_only=True)
class MemberRuns:
    """The runs of one seed, by cell: transformer, gnn, fusion."""

    seed: int
    runs: Mapping[str, FinishedRun]


def read_members(kind: BundleKind, paths: Sequence[Path], *, dataset: Dataset) -> list[MemberRuns]:
    """Return the runs by seed, ascending.

    Args:
        paths: Output folders of cells 51 to 53, in any order.

    Raises:
        DataError: A result is missing or damaged; all of them are named.
        SpecError: A run is of another cell or data set, or the seeds do not have what the kind is made of; all
            mistakes are named.
    """
    runs = _read_runs(paths, dataset)
    seeds = sorted({run.seed for run in runs})
    members = [MemberRuns(seed=seed, runs={run.cell.label: run for run in runs if run.seed == seed}) for seed in seeds]
    problems = [*_repeated(runs), *_incomplete(kind, members)]
    if problems:
        raise SpecError(f"these runs do not make a bundle of kind {kind}", problems)
    return members


def _read_runs(paths: Sequence[Path], dataset: Dataset) -> list[FinishedRun]:
    runs: list[FinishedRun] = []
    unreadable: list[InputError] = []
    wrong: list[InputError] = []
    for path in paths:
        try:
            result = read_result(path / RESULT_NAME)
        except (OSError, ValueError) as error:
            expected = "the result of a finished run"
            unreadable.append(InputError(where=str(path / RESULT_NAME), found=str(error), expected=expected))
            continue
        cell = PACKABLE.get(str(result.cell))
        if cell is None:
            wrong.append(InputError(where=str(path), found=f"cell {result.cell}", expected="cell 51, 52 or 53"))
        elif result.dataset_id != dataset.id:
            found, expected = f"data set {result.dataset_id}", f"{dataset.id}, the one that was named"
            wrong.append(InputError(where=str(path), found=found, expected=expected))
        else:
            runs.append(FinishedRun(cell=cell, seed=result.seed, path=path, result=result))
    if unreadable:
        raise DataError("runs to pack have no valid result", unreadable)
    if wrong or not runs:
        problems = wrong or [InputError(where="runs", found="none", expected="output folders of cells 51 to 53")]
        raise SpecError("runs cannot be packed", problems)
    return runs


def _repeated(runs: Sequence[FinishedRun]) -> list[InputError]:
    names = [run.name for run in runs]
    return [
        InputError(where=str(run.path), found=f"a second run of {run.name}", expected="one of each cell and seed")
        for place, run in enumerate(runs)
        if run.name in names[:place]
    ]


def _incomplete(kind: BundleKind, members: Sequence[MemberRuns]) -> list[InputError]:
    allowed = PARTS_OF_KIND[kind]
    wanted = next((parts for parts in allowed if parts == set(members[0].runs)), allowed[0])
    expected = " or ".join(" and ".join(sorted(parts)) for parts in allowed)
    return [
        InputError(
            where=f"seed {member.seed}",
            found=" and ".join(sorted(member.runs)),
            expected=f"{expected}, the same for each seed",
        )
        for member in members
        if set(member.runs) != wanted
    ]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the runs of all seeds stored, calibrated.

    Args:
        kind: Of the bundle.
        log_odds: By seed, part and split, (R,), in the data set's order.
    """

    kind: BundleKind
    dataset: Dataset
    members: Sequence[MemberRuns]
    log_odds: Mapping[tuple[int, str, Split], Floats]

    @classmethod
    def read(cls, kind: BundleKind, members: Sequence[MemberRuns], *, dataset: Dataset) -> "Stored":
        """Read the predictions of dev, fuse and gate.

        Args:
            kind: Of the bundle to be made.
            members: The runs of each seed, as `read_members` returns them.
            dataset: That the runs were trained on.

        Raises:
            DataError: Predictions do not belong to the data set; everything wrong in any of them is named.
        """
        wanted = [
            (member.seed, name, split)
            for member in members
            for name in member.runs
            for split in (Split.DEV, Split.FUSE, Split.GATE)
        ]
        runs = {(member.seed, name): run for member in members for name, run in member.runs.items()}
        found = read_joined([(runs[seed, name], split) for seed, name, split in wanted], dataset=dataset)
        log_odds = {
            (seed, name, split): margins(predictions.logits_RC) / runs[seed, name].temperature
            for (seed, name, split), predictions in zip(wanted, found, strict=True)
        }
        return cls(kind=kind, dataset=dataset, members=members, log_odds=log_odds)

    def tuned_text_weight(self) -> float:
        """Return the mean over seeds of the weights that serve best on fuse."""
        labels_R = self._labels(Split.FUSE)
        weights = [
            tune_text_weight(
                labels_R,
                self.log_odds[member.seed, "transformer", Split.FUSE],
                self.log_odds[member.seed, "gnn", Split.FUSE],
            )
            for member in self.members
        ]
        return fmean(weights)

    def threshold(self, *, text_weight: float | None) -> float:
        """Return the threshold that serves best on dev."""
        return best_threshold(self._labels(Split.DEV), self.probabilities(Split.DEV, text_weight=text_weight))

    def deployment(
        self, *, text_weight: float | None, prevalence: float, alerts_per_1000: float | None = None
    ) -> DeploymentScores | None:
        """Return the scores of all members together at a prevalence; None if gate lacks one of the two classes.

        Args:
            text_weight: Of the text model in an ensemble.
            prevalence: Share of vulnerable functions where they will run, above 0 and below 1.
            alerts_per_1000: Alerts there per 1,000 functions, at most; None states no budget.
        """
        group_R = self._gate_groups()
        config = AggregationConfig(deployment_prevalence=prevalence, alerts_per_1000=alerts_per_1000)
        dev, gate = self._dev_and_gate(text_weight)
        called_R1 = sigmoid(gate[1]) >= self.threshold(text_weight=text_weight)
        deployed = ScoresAtPrevalence.of(gate[0], called_R1, gate[1], group_R, config=config)
        return with_budget(deployed, ScoresWithinBudget.of(dev, gate, group_R, config=config), [0])

    def abstention(self, *, text_weight: float | None, risk: float) -> Abstention | None:
        """Return within which margin all members together give no verdict; None if dev is empty.

        Args:
            text_weight: Of the text model in an ensemble.
            risk: Share of the verdicts that may be wrong, above 0 and below 0.5.
        """
        config = AggregationConfig(selective_risk=risk)
        dev, gate = self._dev_and_gate(text_weight)
        thresholds = [self.threshold(text_weight=text_weight)]
        found = ScoresWithAbstention.of(dev, gate, self._gate_groups(), thresholds=thresholds, config=config)
        return None if found is None else found.of_option([0])

    def _dev_and_gate(self, text_weight: float | None) -> list[tuple[Integers, Floats]]:
        """Return labels, (R,), and the members' log-odds together, (R, 1), of both splits."""
        return [
            (self._labels(split), self._log_odds(split, text_weight)[:, np.newaxis])
            for split in (Split.DEV, Split.GATE)
        ]

    def _gate_groups(self) -> Integers:
        """Return the number of the group of each row of gate, 0 to G - 1."""
        groups_R = self.dataset.groups(self.dataset.rows(Split.GATE))
        return np.unique(groups_R, return_inverse=True)[1].astype(np.int64)

    def probabilities(self, split: Split, *, text_weight: float | None) -> Floats:
        """Return the mean over seeds of the probabilities, (R,)."""
        return sigmoid(self._log_odds(split, text_weight))

    def temperature(self, *, text_weight: float | None) -> float | None:
        """Return what the log-odds of an ensemble are divided by, fitted on dev; None for another kind."""
        if self.kind != "ensemble":
            return None
        return temperature_of(self._labels(Split.DEV), self._mean(Split.DEV, text_weight))

    def _log_odds(self, split: Split, text_weight: float | None) -> Floats:
        return self._mean(split, text_weight) / (self.temperature(text_weight=text_weight) or 1.0)

    def _mean(self, split: Split, text_weight: float | None) -> Floats:
        return log_odds_of_mean(np.stack([self._of_seed(member, split, text_weight) for member in self.members]))

    def _of_seed(self, member: MemberRuns, split: Split, text_weight: float | None) -> Floats:
        if self.kind == "ensemble" and text_weight is not None:
            text_R, graph_R = (self.log_odds[member.seed, name, split] for name in ("transformer", "gnn"))
            return ensemble_log_odds(text_R, graph_R, text_weight=text_weight)
        name = "fusion" if self.kind == "fusion" else next(iter(member.runs))
        return self.log_odds[member.seed, name, split]

    def _labels(self, split: Split) -> Integers:
        return self.dataset.labels(self.dataset.rows(split))
