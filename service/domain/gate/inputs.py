"""What the validation gate judges: plain facts about the runs of cells 51 and 52."""

from dataclasses import dataclass, field
from typing import Literal

from cellgate.contract.evidence import Truncation
from cellgate.contract.results import Metrics, RunResult
from cellgate.contract.states import RunState

BaseCell = Literal[51, 52]
NAMES: dict[BaseCell, str] = {51: "transformer", 52: "gnn"}
SPLIT = "gate"


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What the gate knows of one run of cell 51 or 52.

    Args:
        exit_code: Of the last attempt's trainer; None when none ended by itself.
        failure: The reason why it failed; its detail is with the run.
        result: `result.json`, re-read from disk; None when there is none or it is invalid.
        result_error: What is wrong with `result.json`.
        result_changed: Whether the file no longer says what it said when the run ended.
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
        """What the model does not see of the gate split."""
        return None if self.result is None else self.result.truncation.get(SPLIT)


@dataclass(frozen=True, kw_only=True)
class GateInputs:
    """Everything that the gate judges.

    Args:
        seeds: Seeds that were asked for, by cell; empty while the cell's job does not exist.
        dataset_hash: Content hash that every result must name.
        bag_of_tokens_f1: What a bag of tokens reaches on the gate split; None when it was not measured.
        whole_graphs: Share of the data set's functions whose graph is whole; None when it was not counted.
        probes_f1: What each probe without any understanding reaches there, by name; empty when none was measured.
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
