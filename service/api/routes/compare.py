"""Runs side by side."""

from typing import Annotated

from fastapi import Query

from cellgate.contract.api.runs import ComparisonAnswer
from cellgate.contract.api.tokens import Scope
from cellgate.contract.identifiers import ULID
from service.api.context import Ctx
from service.api.responses import documented
from service.api.scopes import ScopedRouter
from service.api.views import run_answer
from service.domain.comparison import Compared, metrics_side_by_side, setting_differences
from service.domain.errors import InvalidSpec, Mistake
from service.store.runs import configs_of, runs_by_id

router = ScopedRouter(prefix="/v1", tags=["runs"])
FEWEST, MOST = 2, 32
ONE = f"run_{ULID}"
Runs = Annotated[
    str,
    Query(
        pattern=rf"^{ONE}(?:,{ONE}){{{FEWEST - 1},{MOST - 1}}}$",
        description=f"Ids of {FEWEST} to {MOST} runs, separated by commas.",
        examples=["run_01J8Z0K3V9Q4T6X2B5N7M1C8DA,run_01J8Z0K3V9Q4T6X2B5N7M1C8DB"],
    ),
]


@router.get("/compare", Scope.READ, responses=documented())
def compare_runs(context: Ctx, runs: Runs) -> ComparisonAnswer:
    """Compare runs: the settings that differ, and the metrics of each."""
    ids = list(dict.fromkeys(runs.split(",")))
    with context.database.read() as session:
        found = runs_by_id(session, ids)
        if missing := [run_id for run_id in ids if run_id not in found]:
            mistakes = [Mistake(pointer="#query/runs", detail=f"there is no run {run_id}") for run_id in missing]
            raise InvalidSpec("some of the named runs do not exist", mistakes=mistakes)
        configs = configs_of(session, ids)
        rows = [found[run_id] for run_id in ids]
        compared = [Compared(config=configs[row.id], result=row.result) for row in rows]
        waiting = context.waiting(session, rows)
        return ComparisonAnswer(
            runs=[run_answer(row, waiting) for row in rows],
            config=setting_differences(compared),
            metrics=metrics_side_by_side(compared),
        )
