"""What the API can be asked, as values: which request each is, and what its answer means. Sends nothing.

`cellgate.client.client` and `cellgate.client.async_client` send them. Every POST has an `Idempotency-Key` of its own,
the same for all tries: a try whose answer was lost is answered again, not done again.

ClientError
├── Refused             the server answered with a problem; its message lists every mistake
└── ServerAway          nobody answered, however often we asked
"""

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cellgate.contract.api.bundles import BundleAnswer, ScoresAnswer
from cellgate.contract.api.common import Page
from cellgate.contract.api.datasets import DatasetAnswer, UploadAnswer
from cellgate.contract.api.experiments import (
    AggregateAnswer,
    ExperimentAnswer,
    ExperimentStatus,
    ExperimentSummary,
    ReportAnswer,
)
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import ComparisonAnswer, MetricsAnswer, RunAnswer, RunStatus
from cellgate.contract.api.workers import WorkerAnswer
from cellgate.contract.decision import Decision, Overruling
from cellgate.contract.gate import GateReport

DEFAULT_SERVER = "http://127.0.0.1:8451"
PATIENCE_S = 15.0
FIRST_PATIENCE_S = 3.0
FIRST_RETRY_S = 0.1
SLOWEST_RETRY_S = 2.0
PAGE_SIZE = 200
# How long the server may hold back the answer to who waits for a change, and how long an answer may take at all.
HOLD_S = 20
TIMEOUT_S = 30.0
# What is followed is asked for no more often than that, however fast it changes.
PACE_S = 0.5
# A proxy's word that the server behind it is away: nothing was done, or the Idempotency-Key makes it harmless.
AWAY = frozenset({502, 503, 504})
Verb = Literal["cancel", "pause", "resume", "retry"]
Kind = Literal["experiments", "jobs", "runs"]
A = TypeVar("A")
I = TypeVar("I")  # noqa: E741 - an item


class ProblemItem(BaseModel):
    """One mistake in what was sent."""

    model_config = ConfigDict(frozen=True)

    pointer: str = ""
    detail: str


class Problem(BaseModel):
    """An RFC 9457 problem document; what else it carries (a gate report) stays readable as extra fields."""

    model_config = ConfigDict(frozen=True, extra="allow")

    status: int
    code: str = "unknown"
    title: str = ""
    detail: str = ""
    errors: list[ProblemItem] = Field(default_factory=list)


class ClientError(Exception):
    """Base of what can go wrong on this side of HTTP."""


class ServerAway(ClientError):
    """Nobody answered.

    Args:
        server: Whom we asked.
        reason: What the last try ended with.
    """

    def __init__(self, server: str, reason: str) -> None:
        self.server = server
        self.reason = reason
        super().__init__(f"no answer from {server} ({reason}): start it with `cellgate up`, or name it with --server")


class Refused(ClientError):
    """The server answered with a problem.

    Args:
        problem: Its document.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.code = problem.code
        lines = [problem.detail or problem.title or f"the server answered {problem.status}"]
        lines += [f"  {item.pointer or '(body)'}: {item.detail}" for item in problem.errors]
        super().__init__("\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class Call(Generic[A]):
    """One thing to ask.

    Args:
        answer: What comes back, as pydantic knows it.
        body: Sent as JSON.
        file: Sent as it is, instead.
        headers: Sent with every try.
    """

    method: str
    path: str
    answer: TypeAdapter[A]
    body: Mapping[str, Any] | None = None
    file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def parsed(self, answer: httpx.Response, server: str) -> A:
        """Return what the server has answered.

        Raises:
            ServerAway: It is nothing that Cellgate would answer.
        """
        try:
            return self.answer.validate_json(answer.content)
        except ValidationError as error:
            raise ServerAway(server, f"{self.path} answers with something that is not Cellgate's: {error}") from error


def add_dataset(body: Mapping[str, Any]) -> Call[DatasetAnswer]:
    """Ask for a data set to be prepared."""
    return _post("/v1/datasets", TypeAdapter(DatasetAnswer), body)


def upload(file: Path, name: str) -> Call[UploadAnswer]:
    """Send a file to the server, and return where it keeps it, for `source` of a data set.

    Args:
        name: What the server calls it: ends in .jsonl, .json or .csv, also with .gz.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as opened:
        digest = base64.b64encode(hashlib.file_digest(opened, "sha256").digest()).decode()
    headers = {"Content-Digest": f"sha-256=:{digest}:", "Content-Type": "application/octet-stream"}
    path = f"/v1/uploads/{quote(name)}"
    return Call(method="PUT", path=path, answer=TypeAdapter(UploadAnswer), file=file, headers=headers)


def dataset(dataset_id: str) -> Call[DatasetAnswer]:
    """Return a data set."""
    return _get(f"/v1/datasets/{dataset_id}", TypeAdapter(DatasetAnswer))


def datasets(after: str | None, **filters: Any) -> Call[Page[DatasetAnswer]]:
    """Return a page of data sets, newest first."""
    return _page("/v1/datasets", TypeAdapter(Page[DatasetAnswer]), after, filters)


def submit_experiment(body: Mapping[str, Any]) -> Call[ExperimentAnswer]:
    """Submit an experiment."""
    return _post("/v1/experiments", TypeAdapter(ExperimentAnswer), body)


def experiment(experiment_id: str) -> Call[ExperimentAnswer]:
    """Return an experiment with its jobs and runs."""
    return _get(f"/v1/experiments/{experiment_id}", TypeAdapter(ExperimentAnswer))


def experiment_status(experiment_id: str) -> Call[ExperimentStatus]:
    """Return where an experiment is."""
    return _get(f"/v1/experiments/{experiment_id}/status", TypeAdapter(ExperimentStatus))


def experiments(after: str | None, **filters: Any) -> Call[Page[ExperimentSummary]]:
    """Return a page of experiments, newest first."""
    return _page("/v1/experiments", TypeAdapter(Page[ExperimentSummary]), after, filters)


def gate(experiment_id: str) -> Call[GateReport]:
    """Return an experiment's gate report."""
    return _get(f"/v1/experiments/{experiment_id}/gate", TypeAdapter(GateReport))


def decision(experiment_id: str) -> Call[Decision]:
    """Return an experiment's last decision; refused with code `decision_pending` while there is none."""
    return _get(f"/v1/experiments/{experiment_id}/decision", TypeAdapter(Decision))


def aggregate(experiment_id: str) -> Call[AggregateAnswer]:
    """Return cell 54's newest evidence; refused with code `evidence_pending` while there is none."""
    return _get(f"/v1/experiments/{experiment_id}/aggregate", TypeAdapter(AggregateAnswer))


def report(experiment_id: str) -> Call[ReportAnswer]:
    """Return cell 54's newest report; refused with code `evidence_pending` while there is none."""
    return _get(f"/v1/experiments/{experiment_id}/report", TypeAdapter(ReportAnswer))


def waive(experiment_id: str, *, check: str, reason: str) -> Call[GateReport]:
    """Let a failed check of the gate pass and return the new report."""
    body = {"check": check, "reason": reason}
    return _post(f"/v1/experiments/{experiment_id}/gate/waivers", TypeAdapter(GateReport), body)


def overrule(experiment_id: str, body: Mapping[str, Any]) -> Call[Overruling]:
    """Put an answer beside the last decision."""
    return _post(f"/v1/experiments/{experiment_id}/decision", TypeAdapter(Overruling), body)


def submit_job(body: Mapping[str, Any]) -> Call[JobAnswer]:
    """Submit one cell."""
    return _post("/v1/jobs", TypeAdapter(JobAnswer), body)


def job(job_id: str) -> Call[JobAnswer]:
    """Return a job with its runs."""
    return _get(f"/v1/jobs/{job_id}", TypeAdapter(JobAnswer))


def run(run_id: str) -> Call[RunAnswer]:
    """Return a run with its result."""
    return _get(f"/v1/runs/{run_id}", TypeAdapter(RunAnswer))


def run_status(run_id: str) -> Call[RunStatus]:
    """Return where a run is."""
    return _get(f"/v1/runs/{run_id}/status", TypeAdapter(RunStatus))


def runs(after: str | None, **filters: Any) -> Call[Page[RunAnswer]]:
    """Return a page of runs, newest first."""
    return _page("/v1/runs", TypeAdapter(Page[RunAnswer]), after, filters)


def metrics(run_id: str, *, keys: Sequence[str] = (), max_points: int | None = None) -> Call[MetricsAnswer]:
    """Return a run's curves.

    Args:
        keys: Only these; none: all.
        max_points: Of each curve, thinned so that its peaks stay.
    """
    asked = {"keys": ",".join(keys) or None, "max_points": max_points}
    return _get(f"/v1/runs/{run_id}/metrics{_query(asked)}", TypeAdapter(MetricsAnswer))


def compare(run_ids: Sequence[str]) -> Call[ComparisonAnswer]:
    """Return runs side by side."""
    return _get(f"/v1/compare{_query({'runs': ','.join(run_ids)})}", TypeAdapter(ComparisonAnswer))


def pack(experiment_id: str, body: Mapping[str, Any]) -> Call[BundleAnswer]:
    """Pack what was decided, or what the body names."""
    return _post(f"/v1/experiments/{experiment_id}/bundle", TypeAdapter(BundleAnswer), body)


def bundle(bundle_id: str) -> Call[BundleAnswer]:
    """Return a bundle."""
    return _get(f"/v1/bundles/{bundle_id}", TypeAdapter(BundleAnswer))


def bundles(after: str | None, **filters: Any) -> Call[Page[BundleAnswer]]:
    """Return a page of bundles, newest first."""
    return _page("/v1/bundles", TypeAdapter(Page[BundleAnswer]), after, filters)


def predict(bundle_id: str, body: Mapping[str, Any]) -> Call[ScoresAnswer]:
    """Ask a bundle about functions; what it says is at `prediction`."""
    return _post(f"/v1/bundles/{bundle_id}/predict", TypeAdapter(ScoresAnswer), body)


def prediction(run_id: str) -> Call[ScoresAnswer]:
    """Return what a bundle says, once it has said it."""
    return _get(f"/v1/predictions/{run_id}", TypeAdapter(ScoresAnswer))


def workers() -> Call[list[WorkerAnswer]]:
    """Return the workers, also those that have fallen silent."""
    return _get("/v1/workers", TypeAdapter(list[WorkerAnswer]))


def drain(worker_id: str) -> Call[WorkerAnswer]:
    """Let a worker finish what it runs and take nothing more."""
    return _post(f"/v1/workers/{quote(worker_id, safe='')}/drain", TypeAdapter(WorkerAnswer), None)


def undrain(worker_id: str) -> Call[WorkerAnswer]:
    """Let a drained worker take runs again."""
    return _post(f"/v1/workers/{quote(worker_id, safe='')}/resume", TypeAdapter(WorkerAnswer), None)


def act(verb: Verb, kind: Kind, identifier: str) -> Call[Any]:
    """Ask for something to be done with what is there: end, pause, resume or try again."""
    return _post(f"/v1/{kind}/{identifier}/{verb}", TypeAdapter(Any), None)


def plain(path: str) -> Call[Any]:
    """Return what lies at `path` as plain JSON values."""
    return _get(path, TypeAdapter(Any))


def _get(path: str, answer: TypeAdapter[A]) -> Call[A]:
    return Call(method="GET", path=path, answer=answer)


def _post(path: str, answer: TypeAdapter[A], body: Mapping[str, Any] | None) -> Call[A]:
    sent = None if body is None else dict(body)
    return Call(method="POST", path=path, answer=answer, body=sent, headers={"Idempotency-Key": str(uuid4())})


def _page(path: str, answer: TypeAdapter[Page[I]], after: str | None, filters: Mapping[str, Any]) -> Call[Page[I]]:
    return _get(f"{path}{_query({**filters, 'limit': PAGE_SIZE, 'after': after})}", answer)


def _query(asked: Mapping[str, Any]) -> str:
    given = {name: value for name, value in asked.items() if value not in (None, (), [])}
    return f"?{urlencode(given, doseq=True)}" if given else ""


class Patience:
    """How long to go on trying.

    Args:
        server: Whom we ask.
        patience_s: For so long.
    """

    def __init__(self, server: str, patience_s: float) -> None:
        self._server = server
        self._deadline = time.monotonic() + patience_s
        self._wait_s = FIRST_RETRY_S

    def pause_s(self, reason: str) -> float:
        """Return how long to wait before the next try.

        Raises:
            ServerAway: It has been long enough.
        """
        if time.monotonic() + self._wait_s > self._deadline:
            raise ServerAway(self._server, reason)
        pause_s, self._wait_s = self._wait_s, min(2 * self._wait_s, SLOWEST_RETRY_S)
        return pause_s


def checked(answer: httpx.Response) -> httpx.Response:
    """Return the answer.

    Raises:
        Refused: It is a problem.
    """
    if answer.status_code < 400:
        return answer
    try:
        raise Refused(Problem.model_validate({"status": answer.status_code, **answer.json()}))
    except (ValueError, TypeError) as error:
        problem = Problem(status=answer.status_code, title=answer.reason_phrase, detail=answer.text[:500])
        raise Refused(problem) from error
