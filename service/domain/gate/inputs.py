"""Input and output of the gate's rules: facts about the runs of cells 51 and 52, and the finding of one rule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cellgate.contract.evidence import Truncation
from cellgate.contract.experiment import Policy
from cellgate.contract.gate import SeedValue
from cellgate.contract.results import Metrics, RunResult
from cellgate.contract.states import RunState

BaseCell = Literal[51, 52]
NAMES: dict[BaseCell, str] = {51: "transformer", 52: "gnn"}
SPLIT = "gate"


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Facts about one run of cell 51 or 52.

    Args:
        exit_code: Of the last attempt's trainer; None if none ended by itself.
        failure: The failure reason; its detail is stored with the run.
        result: `result.json`, re-read from disk; None if it is missing or invalid.
        result_error: What is wrong with `result.json`.
        result_changed: Whether the file differs from what was stored when the run ended.
    """

    run: str
    cell: BaseCell
    seed: int
    state: RunState
    exit_code: int | None = None
    failure: str | None = None
    result: RunResult | None = None
    result_error: str | None = None
    result_changed: bool = False

    @property
    def metrics(self) -> Metrics | None:
        """The scores on the gate split."""
        return None if self.result is None else self.result.metrics.get(SPLIT)

    @property
    def truncation(self) -> Truncation | None:
        """How much of the gate split the model does not see."""
        return None if self.result is None else self.result.truncation.get(SPLIT)


@dataclass(frozen=True, kw_only=True)
class GateInputs:
    """Everything that the gate's rules read.

    Args:
        seeds: Requested seeds, by cell; empty while the cell's job does not exist.
        dataset_hash: Content hash that every result must name.
        bag_of_tokens_f1: F1 of a bag of tokens on the gate split; None if it was not measured.
        whole_graphs: Share of the data set's functions whose graph is whole; None if it was not counted.
        probes_f1: F1 of each leak probe on the gate split, by name; empty if none was measured.
    """

    experiment: str
    seeds: dict[BaseCell, tuple[int, ...]]
    runs: tuple[RunFacts, ...]
    dataset_hash: str | None
    bag_of_tokens_f1: float | None
    whole_graphs: float | None = None
    probes_f1: dict[str, float] = field(default_factory=dict)

    def of(self, cell: BaseCell) -> tuple[RunFacts, ...]:
        """Return one cell's runs by seed."""
        return tuple(sorted((run for run in self.runs if run.cell == cell), key=lambda run: run.seed))

    def f1(self, cell: BaseCell) -> list[float]:
        """Return one cell's F1 on the gate split, by seed, of the runs that have it."""
        return [run.metrics.f1 for run in self.of(cell) if run.metrics is not None]

    @property
    def complete(self) -> bool:
        """Whether both jobs exist and no run can change any more."""
        return all(self.seeds.get(cell) for cell in NAMES) and all(run.state.terminal for run in self.runs)


Value = float | str | bool | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule found.

    Args:
        reason: One sentence in plain words.
        threshold: The value to reach; None where the rule has none.
        measured: The value that was compared with it.
        interval: 95 %, of the measured value.
        cell: The one cell that the rule is about; None for both.
        seeds: The value of each seed.
        evidence: Links to the runs behind it.
    """

    passed: bool
    reason: str
    threshold: float | None = None
    measured: float | None = None
    interval: tuple[float, float] | None = None
    cell: BaseCell | None = None
    seeds: list[SeedValue] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class GateRule:
    """How one check of `cellgate.contract.gate.CHECKS` is computed.

    Args:
        name: Of the check.
        evaluate: Computes it from inputs and policy alone; None where the policy asks for no such check.
        advice: What to do when it fails; None where cell 54's evidence gives the advice.
    """

    name: str
    evaluate: Callable[[GateInputs, Policy], Finding | None]
    advice: str | None


def values(inputs: GateInputs, value: Callable[[RunFacts], Value], only: BaseCell | None = None) -> list[SeedValue]:
    """Return a value of every run, cell by cell and seed by seed.

    Args:
        inputs: Of the gate.
        value: Reads it from one run.
        only: Restricts the result to one cell.
    """
    cells = [only] if only else list(NAMES)
    return [
        SeedValue(cell=cell, seed=run.seed, run=run.run, value=value(run)) for cell in cells for run in inputs.of(cell)
    ]


def links(runs: Sequence[RunFacts]) -> list[str]:
    """Return the URL paths of the runs."""
    return [f"/v1/runs/{run.run}" for run in sorted(runs, key=lambda run: (run.cell, run.seed))]
