"""What every check of the gate is made of: values per seed, links to the runs, the verdict."""

from collections.abc import Callable, Sequence

from cellgate.contract.gate import GateCheckVerdict, SeedValue
from service.domain.gate.inputs import NAMES, BaseCell, GateInputs, RunFacts

Value = float | str | bool | None


def values(inputs: GateInputs, value: Callable[[RunFacts], Value], only: BaseCell | None = None) -> list[SeedValue]:
    """Return what one check measured on every run, cell by cell and seed by seed."""
    cells = [only] if only else list(NAMES)
    return [
        SeedValue(cell=cell, seed=run.seed, run=run.run, value=value(run)) for cell in cells for run in inputs.of(cell)
    ]


def links(runs: Sequence[RunFacts]) -> list[str]:
    """Return where the runs can be read."""
    return [f"/v1/runs/{run.run}" for run in sorted(runs, key=lambda run: (run.cell, run.seed))]


def verdict(passed: bool, blocking: bool) -> GateCheckVerdict:
    """Return the verdict of a check that may be a warning only."""
    if passed:
        return "pass"
    return "fail" if blocking else "warn"
