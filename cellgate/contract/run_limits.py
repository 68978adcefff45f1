"""The terms on which runs wait and run: what every experiment and every job may say, whatever its cell."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

LONGEST_S = 90 * 86_400
DEFAULT_QUEUE = "cpu"
Priority = Annotated[int, Field(ge=-100, le=100, description="Higher runs first.")]
Queue = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,30}$"),
    Field(description="Workers serve queues by name, `cpu` and `gpu` or any other; see GET /v1/workers."),
]
Limit = Annotated[float, Field(gt=0, le=LONGEST_S)]


class RunLimits(BaseModel):
    """How runs wait and how long they may take."""

    priority: Priority = 0
    queue: Queue = DEFAULT_QUEUE
    queue_timeout_s: Limit | None = Field(
        None,
        description="A run that is queued for longer fails with `queue_timeout`; time spent paused does not count.",
    )
    timeout_s: Limit | None = Field(
        None, description="A run that runs for longer, over all of its attempts, fails with `timeout`."
    )
