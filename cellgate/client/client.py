"""A typed client of the HTTP API: retries what is safe to send twice, waits for changes, explains every refusal."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from cellgate.client import calls
from cellgate.client.calls import Call, Kind, Patience, ServerAway, Verb
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

A = TypeVar("A")
M = TypeVar("M", bound=BaseModel)


class Client:
    """The API, one method per thing that can be asked; a context manager.

    Every method raises `calls.Refused` where the server says no, and `calls.ServerAway` where nobody answers.

    Args:
        server: Base address.
        token: Bearer token, where the server wants one.
        transport: Stands in for the network.
        patience_s: How long to go on trying when a server that has answered before is away.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        server: str = calls.DEFAULT_SERVER,
        *,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
        patience_s: float = calls.PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server = server.rstrip("/")
        self._patience_s = patience_s
        self._sleep = sleep
        self._was_there = False
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.server, headers=headers, timeout=calls.TIMEOUT_S, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def add_dataset(self, body: Mapping[str, Any]) -> DatasetAnswer:
        """Ask for a data set to be prepared."""
        return self.ask(calls.add_dataset(body))

    def upload(self, file: Path, name: str) -> UploadAnswer:
        """Send a file to the server under a name, and return where it keeps it, for `source` of a data set."""
        return self.ask(calls.upload(file, name))

    def dataset(self, dataset_id: str) -> DatasetAnswer:
        """Return a data set."""
        return self.ask(calls.dataset(dataset_id))

    def datasets(self, **filters: Any) -> Iterator[DatasetAnswer]:
        """Yield all data sets, newest first; filters as the API has them."""
        return self._all(lambda after: calls.datasets(after, **filters))

    def submit_experiment(self, body: Mapping[str, Any]) -> ExperimentAnswer:
        """Submit an experiment."""
        return self.ask(calls.submit_experiment(body))

    def experiment(self, experiment_id: str) -> ExperimentAnswer:
        """Return an experiment with its jobs and runs."""
        return self.ask(calls.experiment(experiment_id))

    def experiment_status(self, experiment_id: str) -> ExperimentStatus:
        """Return where an experiment is."""
        return self.ask(calls.experiment_status(experiment_id))

    def experiments(self, **filters: Any) -> Iterator[ExperimentSummary]:
        """Yield all experiments, newest first; filters as the API has them."""
        return self._all(lambda after: calls.experiments(after, **filters))

    def gate(self, experiment_id: str) -> GateReport:
        """Return an experiment's gate report."""
        return self.ask(calls.gate(experiment_id))

    def decision(self, experiment_id: str) -> Decision:
        """Return an experiment's last decision; refused with code `decision_pending` while there is none."""
        return self.ask(calls.decision(experiment_id))

    def aggregate(self, experiment_id: str) -> AggregateAnswer:
        """Return cell 54's newest evidence; refused with code `evidence_pending` while there is none."""
        return self.ask(calls.aggregate(experiment_id))

    def report(self, experiment_id: str) -> ReportAnswer:
        """Return cell 54's newest report; refused with code `evidence_pending` while there is none."""
        return self.ask(calls.report(experiment_id))

    def waive(self, experiment_id: str, *, check: str, reason: str) -> GateReport:
        """Let a failed check of the gate pass and return the new report."""
        return self.ask(calls.waive(experiment_id, check=check, reason=reason))

    def overrule(self, experiment_id: str, body: Mapping[str, Any]) -> Overruling:
        """Put an answer beside the last decision."""
        return self.ask(calls.overrule(experiment_id, body))

    def submit_job(self, body: Mapping[str, Any]) -> JobAnswer:
        """Submit one cell."""
        return self.ask(calls.submit_job(body))

    def job(self, job_id: str) -> JobAnswer:
        """Return a job with its runs."""
        return self.ask(calls.job(job_id))

    def run(self, run_id: str) -> RunAnswer:
        """Return a run with its result."""
        return self.ask(calls.run(run_id))

    def run_status(self, run_id: str) -> RunStatus:
        """Return where a run is."""
        return self.ask(calls.run_status(run_id))

    def runs(self, **filters: Any) -> Iterator[RunAnswer]:
        """Yield all runs, newest first; filters as the API has them."""
        return self._all(lambda after: calls.runs(after, **filters))

    def metrics(self, run_id: str, *, keys: Sequence[str] = (), max_points: int | None = None) -> MetricsAnswer:
        """Return a run's curves, or some of them, thinned to so many points each."""
        return self.ask(calls.metrics(run_id, keys=keys, max_points=max_points))

    def compare(self, run_ids: Sequence[str]) -> ComparisonAnswer:
        """Return runs side by side."""
        return self.ask(calls.compare(run_ids))

    def pack(self, experiment_id: str, body: Mapping[str, Any]) -> BundleAnswer:
        """Pack what was decided, or what the body names."""
        return self.ask(calls.pack(experiment_id, body))

    def bundle(self, bundle_id: str) -> BundleAnswer:
        """Return a bundle."""
        return self.ask(calls.bundle(bundle_id))

    def bundles(self, **filters: Any) -> Iterator[BundleAnswer]:
        """Yield all bundles, newest first; filters as the API has them."""
        return self._all(lambda after: calls.bundles(after, **filters))

    def predict(self, bundle_id: str, body: Mapping[str, Any]) -> ScoresAnswer:
        """Ask a bundle about functions; what it says is at `prediction` of the answer's run."""
        return self.ask(calls.predict(bundle_id, body))

    def prediction(self, run_id: str) -> ScoresAnswer:
        """Return what a bundle says, once it has said it."""
        return self.ask(calls.prediction(run_id))

    def workers(self) -> list[WorkerAnswer]:
        """Return the workers, also those that have fallen silent."""
        return self.ask(calls.workers())

    def drain(self, worker_id: str) -> WorkerAnswer:
        """Let a worker finish what it runs and take nothing more."""
        return self.ask(calls.drain(worker_id))

    def undrain(self, worker_id: str) -> WorkerAnswer:
        """Let a drained worker take runs again."""
        return self.ask(calls.undrain(worker_id))

    def act(self, verb: Verb, kind: Kind, identifier: str) -> None:
        """Ask for something to be done with what is there: end, pause, resume or try again."""
        self.ask(calls.act(verb, kind, identifier))

    def json(self, path: str) -> Any:
        """Return what lies at `path` as plain JSON values."""
        return self.ask(calls.plain(path))

    def follow(self, path: str, model: type[M], *, ended: Callable[[M], bool]) -> Iterator[M]:
        """Yield what lies at `path`, and again whenever it has changed, until it has ended.

        The server holds its answer back until something has changed, or for `calls.HOLD_S`.
        """
        etag = ""
        while True:
            held = {"If-None-Match": etag} if etag else {}
            call = Call(method="GET", path=f"{path}?wait={calls.HOLD_S}", answer=TypeAdapter(model), headers=held)
            answer = self._send(call)
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                etag = answer.headers.get("ETag", "")
                found = call.parsed(answer, self.server)
                yield found
                if ended(found):
                    return
            self._sleep(calls.PACE_S)

    def ask(self, call: Call[A]) -> A:
        """Return the answer to a call."""
        return call.parsed(self._send(call), self.server)

    def _all(self, page_after: Callable[[str | None], Call[Page[A]]]) -> Iterator[A]:
        after = None
        while True:
            page = self.ask(page_after(after))
            yield from page.items
            if page.next is None:
                return
            after = page.next

    def _try(self, call: Call[Any]) -> httpx.Response:
        headers = dict(call.headers)
        if call.file is None:
            return self._http.request(call.method, call.path, json=call.body, headers=headers)
        with call.file.open("rb") as content:
            return self._http.request(call.method, call.path, content=content, headers=headers)

    def _send(self, call: Call[Any]) -> httpx.Response:
        patience_s = self._patience_s if self._was_there else min(self._patience_s, calls.FIRST_PATIENCE_S)
        patience = Patience(self.server, patience_s)
        while True:
            try:
                answer = self._try(call)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise ServerAway(self.server, str(error)) from error
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            else:
                if answer.status_code not in calls.AWAY:
                    self._was_there = True
                    return calls.checked(answer)
                reason = f"status {answer.status_code}"
            self._sleep(patience.pause_s(reason))
