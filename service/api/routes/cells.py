"""What can be asked for, and who is there to do it."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.api.context import Ctx
from service.api.problems import documented
from service.api.schemas import WorkerAnswer
from service.api.views import worker_answer
from service.store.workers import list_workers, living_workers
from trainers.specs import AggregationConfig, Cell, FusionConfig, GnnConfig, Spec, TransformerConfig

router = APIRouter(prefix="/v1", tags=["cells and workers"])
CONFIGS: dict[Cell, type[Spec]] = {
    Cell.TRANSFORMER: TransformerConfig,
    Cell.GNN: GnnConfig,
    Cell.FUSION: FusionConfig,
    Cell.AGGREGATION: AggregationConfig,
}


class CellAnswer(BaseModel):
    """A cell and how to ask for it."""

    cell: int
    name: str
    summary: str
    defaults: dict[str, Any]
    config_schema: dict[str, Any] = Field(description="JSON Schema of its config.")


@router.get("/cells", responses=documented())
def read_cells() -> list[CellAnswer]:
    """List the numbered cells with their defaults and the schema of their configs."""
    return [
        CellAnswer(
            cell=int(cell.value),
            name=cell.label,
            summary=(config.__doc__ or "").strip(),
            defaults=config().model_dump(mode="json"),
            config_schema=config.model_json_schema(),
        )
        for cell, config in CONFIGS.items()
    ]


@router.get("/workers", responses=documented())
def read_workers(context: Ctx) -> list[WorkerAnswer]:
    """List the workers, also those that have fallen silent."""
    with context.database.read() as session:
        alive = {row.id for row in living_workers(session)}
        return [worker_answer(row, alive=row.id in alive) for row in list_workers(session)]
