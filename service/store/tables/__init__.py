"""The tables. SQL is the only source of truth: everything else is derived from it or named in it.

Times are seconds since the epoch by the database's own clock; ids are a prefix and a ULID, so they sort by age.
"""

from service.store.tables.base import Base, table_of
from service.store.tables.datasets import DatasetNameRow, DatasetRow, UploadRow
from service.store.tables.experiments import BundleRow, DecisionRow, ExperimentRow, LabelRow
from service.store.tables.operations import RemovalRow, StorageRow, UptimeRow, WatchedThreadRow, WorkerRow
from service.store.tables.principals import AuditRow, IdempotencyRow, PrincipalRow, SessionRow, TokenRow
from service.store.tables.runs import (
    WITHOUT_RESULT,
    AttemptRow,
    EventRow,
    JobRow,
    ListedRun,
    LogRow,
    MetricRow,
    RunRow,
)
from service.store.tables.webhooks import DeliveryRow, WebhookRow

__all__ = [
    "WITHOUT_RESULT",
    "AttemptRow",
    "AuditRow",
    "Base",
    "BundleRow",
    "DatasetNameRow",
    "DatasetRow",
    "DecisionRow",
    "DeliveryRow",
    "EventRow",
    "ExperimentRow",
    "IdempotencyRow",
    "JobRow",
    "LabelRow",
    "ListedRun",
    "LogRow",
    "MetricRow",
    "PrincipalRow",
    "RemovalRow",
    "RunRow",
    "SessionRow",
    "StorageRow",
    "TokenRow",
    "UploadRow",
    "UptimeRow",
    "WatchedThreadRow",
    "WebhookRow",
    "WorkerRow",
    "table_of",
]
