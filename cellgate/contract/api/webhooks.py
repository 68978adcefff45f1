"""Requests and answers about webhooks."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import (
    Answer,
    OwnerId,
    OwnerName,
    Request,
)


class WebhookEvent(StrEnum):
    """An event that a webhook can subscribe to."""

    RUN_SUCCEEDED = "run.succeeded"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    EXPERIMENT_SUCCEEDED = "experiment.succeeded"
    EXPERIMENT_FAILED = "experiment.failed"
    EXPERIMENT_CANCELLED = "experiment.cancelled"
    DATASET_READY = "dataset.ready"
    DATASET_FAILED = "dataset.failed"
    GATE_PASSED = "gate.pass"
    GATE_FAILED = "gate.fail"
    DECISION_TAKEN = "decision.taken"
    TEST = "webhook.test"


# The events of a webhook that names none; test events are always delivered.
ALL_EVENTS: list[WebhookEvent] = [event for event in WebhookEvent if event is not WebhookEvent.TEST]


class DeliveryState(StrEnum):
    """State of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class CircuitState(StrEnum):
    """Whether deliveries to a webhook are sent."""

    CLOSED = "closed"
    OPEN = "open"


class WebhookCreate(Request):
    """Subscribe to events."""

    url: str = Field(max_length=2000, description="URL that receives the events: http or https, at a public address.")
    events: list[WebhookEvent] = Field(
        default_factory=ALL_EVENTS.copy, min_length=1, max_length=len(WebhookEvent), description="Default: all."
    )


class WebhookAnswer(Answer):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[WebhookEvent]
    active: bool = Field(description="False once the receiver has answered 410; it gets no more events.")
    owner: OwnerName = None
    owner_id: OwnerId = None
    circuit: CircuitState = Field(
        CircuitState.CLOSED,
        description="`open` after 5 failed tries in a row: its events wait, and one at a time is tried at growing "
        "intervals; `closed` once one has arrived.",
    )
    failures: int = Field(0, description="Failed tries in a row.")
    probe_at: AwareDatetime | None = Field(None, description="Time of the next try while the circuit is open.")
    created_at: AwareDatetime


class NewWebhookAnswer(WebhookAnswer):
    """A new webhook."""

    secret: str = Field(description="Key that signs the deliveries; only this answer shows it. See docs/webhooks.md.")


class DeliveryAnswer(Answer):
    """One event for one webhook, delivered or pending."""

    id: str = Field(description="The `webhook-id` header; the same for every try.")
    event: WebhookEvent
    state: DeliveryState
    tries: int
    next_at: AwareDatetime | None = Field(description="Time of the next try.")
    last_status: int | None = Field(description="HTTP status of the receiver's last response.")
    last_error: str | None
    created_at: AwareDatetime
