"""What can be asked for."""

import json
from typing import Annotated, Any, Literal

from fastapi import Path, Request
from pydantic import Field

from cellgate.contract.api.common import Answer
from cellgate.contract.api.tokens import Scope
from cellgate.contract.cells import Cell
from cellgate.contract.configs import AggregationConfig, FusionConfig, GnnConfig, Spec, TransformerConfig
from service.api.context import Ctx
from service.api.examples import CELL_EXAMPLES
from service.api.responses import documented
from service.api.scopes import ScopedRouter

router = ScopedRouter(prefix="/v1", tags=["cells and workers"])
CONFIGS: dict[Cell, type[Spec]] = {
    Cell.TRANSFORMER: TransformerConfig,
    Cell.GNN: GnnConfig,
    Cell.FUSION: FusionConfig,
    Cell.AGGREGATION: AggregationConfig,
}
NEEDS: dict[Cell, str] = {
    Cell.TRANSFORMER: "a ready data set; alone, or as a step of an experiment",
    Cell.GNN: "a ready data set; alone, or as a step of an experiment",
    Cell.FUSION: "an experiment whose gate has passed, or whose failed checks were waived; seeds that 51 and 52 have "
    "both finished",
    Cell.AGGREGATION: "an experiment with at least one seed that 51 and 52 have both finished",
}
CellNumber = Annotated[Literal["51", "52", "53", "54"], Path(alias="cell")]


class CellAnswer(Answer):
    """A cell and how to ask for it."""

    cell: int
    name: str
    summary: str
    needs: str = Field(description="What must be there before it can run.")
    defaults: dict[str, Any]
    config_schema: dict[str, Any] = Field(description="JSON Schema of its config.")
    example: dict[str, Any] = Field(description="A body for POST /v1/jobs; put your own id into it.")
    curl: str = Field(description="The same as a command.")


@router.get("/cells", Scope.READ, responses=documented())
def read_cells(request: Request, context: Ctx) -> list[CellAnswer]:
    """List the numbered cells with their defaults and the schema of their configs."""
    return [_cell(cell, request, token_needed=context.settings.asks_for_token) for cell in CONFIGS]


@router.get("/cells/{cell}", Scope.READ, responses=documented())
def read_cell(number: CellNumber, request: Request, context: Ctx) -> CellAnswer:
    """Return one cell: its defaults, the schema of its config, what it needs, and a command that asks for it."""
    return _cell(Cell(number), request, token_needed=context.settings.asks_for_token)


def _cell(cell: Cell, request: Request, *, token_needed: bool) -> CellAnswer:
    config, example = CONFIGS[cell], CELL_EXAMPLES[cell]
    return CellAnswer(
        cell=int(cell.value),
        name=cell.label,
        summary=(config.__doc__ or "").strip(),
        needs=NEEDS[cell],
        defaults=config().model_dump(mode="json"),
        config_schema=config.model_json_schema(),
        example=example,
        curl=_curl(str(request.url_for("submit_job")), example, token_needed=token_needed),
    )


def _curl(url: str, body: dict[str, Any], *, token_needed: bool) -> str:
    # In double quotes, so that the shell puts the token in; it is nowhere in the text.
    token = ' -H "Authorization: Bearer $CELLGATE_TOKEN"' if token_needed else ""
    return f"curl -sS {url} -H 'Content-Type: application/json'{token} -d '{json.dumps(body)}'"
