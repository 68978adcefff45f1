"""Cells: the kinds of work and their configs."""

import json
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import Field

from cellgate.contract.api.common import Answer
from cellgate.contract.api.tokens import Scope
from cellgate.contract.cells import ENTRY_OF, SUBMITTED, Cell, CellEntry, CellNumber
from cellgate.contract.configs import Spec
from service.api.context import Ctx
from service.api.etags import tagged
from service.api.scopes import ScopedRouter

router = ScopedRouter(prefix="/v1", tags=["cells and workers"])
NumberPath = Annotated[CellNumber, Path(alias="cell")]


class CellAnswer(Answer):
    """A cell and how to submit it."""

    cell: int
    name: str
    summary: str
    needs: str = Field(description="Conditions that must hold before the cell can run.")
    defaults: dict[str, Any]
    config_schema: dict[str, Any] = Field(description="JSON Schema of its config.")
    example: dict[str, Any] = Field(description="A body for POST /v1/jobs; put your own id into it.")
    curl: str = Field(description="The same as a command.")


@router.get("/cells", Scope.READ, **tagged())
def read_cells(request: Request, context: Ctx) -> list[CellAnswer]:
    """List the numbered cells with their defaults and the schema of their configs."""
    return [_answer(entry, request, token_required=context.settings.requires_token) for entry in SUBMITTED]


@router.get("/cells/{cell}", Scope.READ, **tagged())
def read_cell(number: NumberPath, request: Request, context: Ctx) -> CellAnswer:
    """Return one cell: its defaults, the schema of its config, what it needs, and a command that submits it."""
    return _answer(ENTRY_OF[Cell(number)], request, token_required=context.settings.requires_token)


def _answer(entry: CellEntry, request: Request, *, token_required: bool) -> CellAnswer:
    config = entry.config or Spec
    example = {"cell": entry.json, **entry.example}
    return CellAnswer(
        cell=int(entry.cell.value),
        name=entry.name,
        summary=(config.__doc__ or "").strip(),
        needs=entry.needs,
        defaults=config().model_dump(mode="json"),
        config_schema=config.model_json_schema(),
        example=example,
        curl=_curl(str(request.url_for("submit_job")), example, token_required=token_required),
    )


def _curl(url: str, body: dict[str, Any], *, token_required: bool) -> str:
    # In double quotes, so that the shell puts the token in; it is nowhere in the text.
    token = ' -H "Authorization: Bearer $CELLGATE_TOKEN"' if token_required else ""
    return f"curl -sS {url} -H 'Content-Type: application/json'{token} -d '{json.dumps(body)}'"
