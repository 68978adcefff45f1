"""A typed client of the HTTP API."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx

from cellgate.client._async.experiment import AsyncExperiment
from cellgate.client._async.finding import AsyncFinding
from cellgate.client.blocking import async_run
from cellgate.client.defaults import PAGE_SIZE
from cellgate.client.requests import Call, Collection, ResourceKind, Verb, path_to, upload_headers, with_query
from cellgate.client.streams import EventParser
from cellgate.contract.api.audit import AuditAnswer, WhoamiAnswer
from cellgate.contract.api.bundles import BundleAnswer, ScoresAnswer
from cellgate.contract.api.common import Page
from cellgate.contract.api.datasets import DatasetAnswer, InspectionAnswer, UploadAnswer
from cellgate.contract.api.estimates import EstimateAnswer, SpentAnswer
from cellgate.contract.api.evaluations import EvaluationAnswer
from cellgate.contract.api.experiments import (
    AggregateAnswer,
    ConfigAnswer,
    ExperimentAnswer,
    ExperimentStatus,
    ExperimentSummary,
    ReportAnswer,
)
from cellgate.contract.api.functions import ErrorsAnswer, FunctionAnswer, FunctionSummary
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.operations import PruneAnswer, QueueAnswer, UsageAnswer, WorkerAnswer
from cellgate.contract.api.overview import OverviewAnswer
from cellgate.contract.api.resources import DeletionAnswer
from cellgate.contract.api.runs import (
    ArtifactAnswer,
    AttemptAnswer,
    ComparisonAnswer,
    EventAnswer,
    LogChunk,
    LogPage,
    LrFinderAnswer,
    MetricsAnswer,
    RunAnswer,
    RunStatus,
)
from cellgate.contract.decision import Decision, Overruling
from cellgate.contract.gate import GateReport
from cellgate.contract.inspection import Inspection

JSON = {"Accept": "application/json"}


class AsyncClient(AsyncFinding):
    """The API, one method per operation; a context manager.

    Args:
        server: Base URL of the server.
        token: Bearer token, where the server wants one.
        transport: Replaces the network, in tests.
        patience_s: Seconds to go on trying when a server that has answered before is away.
        sleep: Waits for a number of seconds.

    Raises:
        Refused: The server answered a request with a problem.
        ServerAway: No server answered in time.
        UnusableProxy: The environment names a proxy that the client cannot use.
    """

    async def add_dataset(self, body: Mapping[str, Any]) -> DatasetAnswer:
        """Submit a data set for preparation."""
        return await self._post("/v1/datasets", DatasetAnswer, body)

    async def upload(self, file: Path, name: str) -> UploadAnswer:
        """Send a file to the server; the answer holds its path there, for `source` of a data set.

        Args:
            file: File to send.
            name: Its name on the server, as `cellgate.contract.source_files.safe_name` makes it.

        Raises:
            OSError: The file cannot be read.
        """
        headers = await async_run(upload_headers, file)
        path = f"/v1/uploads/{quote(name)}"
        return await self._ask(Call(method="PUT", path=path, answer=UploadAnswer, file=file, headers=headers))

    async def dataset(self, dataset_id: str) -> DatasetAnswer:
        """Return a data set."""
        return await self._get(path_to("datasets", dataset_id), DatasetAnswer)

    def datasets(self, **filters: Any) -> AsyncIterator[DatasetAnswer]:
        """Yield all data sets, newest first; filters are the API's query parameters."""
        return self._pages("/v1/datasets", Page[DatasetAnswer], filters)

    def functions(self, dataset_id: str, **filters: Any) -> AsyncIterator[FunctionSummary]:
        """Yield the functions of a data set, in its order; filters are the API's query parameters."""
        return self._pages(path_to("datasets", dataset_id, "functions"), Page[FunctionSummary], filters)

    async def function(self, dataset_id: str, row: int, *, experiment: str | None = None) -> FunctionAnswer:
        """Return a function with its source and its graph.

        Args:
            dataset_id: Id of the data set.
            row: Number of the function in it, from 0.
            experiment: Id of an experiment whose models' verdicts are wanted.
        """
        path = with_query(path_to("datasets", dataset_id, "functions", str(row)), {"experiment": experiment})
        return await self._get(path, FunctionAnswer)

    async def inspect(self, body: Mapping[str, Any]) -> InspectionAnswer:
        """Ask how a source would be read; `inspection` returns it by the answer's run."""
        return await self._post("/v1/inspections", InspectionAnswer, body)

    async def inspection(self, run_id: str) -> InspectionAnswer:
        """Return how a source would be read, once that is known."""
        return await self._get(path_to("inspections", run_id), InspectionAnswer)

    async def dataset_inspection(self, dataset_id: str) -> Inspection:
        """Return how a data set's source was read."""
        return await self._get(path_to("datasets", dataset_id, "inspection"), Inspection)

    async def estimate(self, body: Mapping[str, Any]) -> EstimateAnswer:
        """Return what an experiment will take; nothing is created."""
        return await self._post("/v1/estimates", EstimateAnswer, body)

    async def spent(self, experiment_id: str) -> SpentAnswer:
        """Return what an experiment has taken so far, beside what was predicted."""
        return await self._get(path_to("experiments", experiment_id, "spent"), SpentAnswer)

    async def add_seeds(self, experiment_id: str, seeds: Sequence[int]) -> ExperimentAnswer:
        """Add seeds to an experiment that has decided, as a new experiment over all seeds, and return that."""
        body = {"seeds": list(seeds)}
        return await self._post(path_to("experiments", experiment_id, "seeds"), ExperimentAnswer, body)

    async def submit_experiment(self, body: Mapping[str, Any]) -> ExperimentAnswer:
        """Submit an experiment."""
        return await self._post("/v1/experiments", ExperimentAnswer, body)

    async def experiment(self, experiment_id: str) -> AsyncExperiment:
        """Return an experiment with its jobs and runs; it can be asked to wait, and for what came of it.

        Args:
            experiment_id: Its id, the beginning of one, or a name.

        Raises:
            NotIdentified: There is none, or there are several; the message lists them.
        """
        found = await self.find(experiment_id, "experiments")
        answer = await self._get(path_to("experiments", found.id), AsyncExperiment)
        return answer.of(self)

    async def experiment_status(self, experiment_id: str) -> ExperimentStatus:
        """Return an experiment's state and progress."""
        return await self._get(path_to("experiments", experiment_id, "status"), ExperimentStatus)

    def experiments(self, **filters: Any) -> AsyncIterator[ExperimentSummary]:
        """Yield all experiments, newest first; filters are the API's query parameters."""
        return self._pages("/v1/experiments", Page[ExperimentSummary], filters)

    async def overview(self) -> OverviewAnswer:
        """Return what needs a person, what runs, and what came out last."""
        return await self._get("/v1/overview", OverviewAnswer)

    async def gate(self, experiment_id: str) -> GateReport:
        """Return an experiment's gate report."""
        return await self._get(path_to("experiments", experiment_id, "gate"), GateReport)

    async def decision(self, experiment_id: str) -> Decision:
        """Return an experiment's last decision; refused with code `decision_pending` while there is none."""
        return await self._get(path_to("experiments", experiment_id, "decision"), Decision)

    async def aggregate(self, experiment_id: str) -> AggregateAnswer:
        """Return cell 54's newest evidence; refused with code `evidence_pending` while there is none."""
        return await self._get(path_to("experiments", experiment_id, "aggregate"), AggregateAnswer)

    async def report(self, experiment_id: str) -> ReportAnswer:
        """Return cell 54's newest report; refused with code `evidence_pending` while there is none."""
        return await self._get(path_to("experiments", experiment_id, "report"), ReportAnswer)

    async def config(self, experiment_id: str, *, against: str = "defaults") -> ConfigAnswer:
        """Return an experiment's spec, and what of it differs from the defaults or from another experiment.

        Args:
            experiment_id: Id of the experiment.
            against: `defaults`, or the id of the other experiment.
        """
        path = with_query(path_to("experiments", experiment_id, "config"), {"against": against})
        return await self._get(path, ConfigAnswer)

    async def errors(self, experiment_id: str, **parameters: Any) -> ErrorsAnswer:
        """Return a page of what the options err on; parameters are the API's query parameters."""
        return await self._get(with_query(path_to("experiments", experiment_id, "errors"), parameters), ErrorsAnswer)

    async def waive(self, experiment_id: str, *, check: str, reason: str) -> GateReport:
        """Waive a failed check of the gate and return the new report.

        Args:
            experiment_id: Id of the experiment.
            check: Name of the failed check.
            reason: Shown beside the check from then on.
        """
        body = {"check": check, "reason": reason}
        return await self._post(path_to("experiments", experiment_id, "gate", "waivers"), GateReport, body)

    async def overrule(self, experiment_id: str, body: Mapping[str, Any]) -> Overruling:
        """Put a person's answer beside the last decision."""
        return await self._post(path_to("experiments", experiment_id, "decision"), Overruling, body)

    async def submit_job(self, body: Mapping[str, Any]) -> JobAnswer:
        """Submit one cell."""
        return await self._post("/v1/jobs", JobAnswer, body)

    async def job(self, job_id: str) -> JobAnswer:
        """Return a job with its runs."""
        return await self._get(path_to("jobs", job_id), JobAnswer)

    async def run(self, run_id: str) -> RunAnswer:
        """Return a run with its result."""
        return await self._get(path_to("runs", run_id), RunAnswer)

    async def run_status(self, run_id: str) -> RunStatus:
        """Return a run's state and progress."""
        return await self._get(path_to("runs", run_id, "status"), RunStatus)

    def runs(self, **filters: Any) -> AsyncIterator[RunAnswer]:
        """Yield all runs, newest first; filters are the API's query parameters."""
        return self._pages("/v1/runs", Page[RunAnswer], filters)

    async def metrics(self, run_id: str, *, keys: Sequence[str] = (), max_points: int | None = None) -> MetricsAnswer:
        """Return a run's curves.

        Args:
            run_id: Id of the run.
            keys: Names of the curves, such as `dev/f1`; empty returns all.
            max_points: Largest number of points of each curve; peaks are kept.
        """
        parameters = {"keys": ",".join(keys) or None, "max_points": max_points}
        return await self._get(with_query(path_to("runs", run_id, "metrics"), parameters), MetricsAnswer)

    async def lr_finder(self, run_id: str) -> LrFinderAnswer:
        """Return the curve of a run's LR range test; refused with code `no_range_test` where there is none."""
        return await self._get(path_to("runs", run_id, "lr-finder"), LrFinderAnswer)

    async def compare(self, run_ids: Sequence[str]) -> ComparisonAnswer:
        """Return the settings and metrics of several runs side by side."""
        return await self._get(with_query("/v1/compare", {"runs": ",".join(run_ids)}), ComparisonAnswer)

    async def pack(self, experiment_id: str, body: Mapping[str, Any]) -> BundleAnswer:
        """Pack the decided option as a bundle, or the one that the body names."""
        return await self._post(path_to("experiments", experiment_id, "bundle"), BundleAnswer, body)

    async def bundle(self, bundle_id: str) -> BundleAnswer:
        """Return a bundle."""
        return await self._get(path_to("bundles", bundle_id), BundleAnswer)

    def bundles(self, **filters: Any) -> AsyncIterator[BundleAnswer]:
        """Yield all bundles, newest first; filters are the API's query parameters."""
        return self._pages("/v1/bundles", Page[BundleAnswer], filters)

    async def predict(self, bundle_id: str, body: Mapping[str, Any]) -> ScoresAnswer:
        """Submit functions for scoring by a bundle; `prediction` returns the scores of the answer's run."""
        return await self._post(path_to("bundles", bundle_id, "predict"), ScoresAnswer, body)

    async def evaluate(self, body: Mapping[str, Any]) -> EvaluationAnswer:
        """Queue an evaluation of a bundle or of scores; `evaluation` returns what its run has found."""
        return await self._post("/v1/evaluations", EvaluationAnswer, body)

    async def evaluation(self, run_id: str) -> EvaluationAnswer:
        """Return an evaluation."""
        return await self._get(path_to("evaluations", run_id), EvaluationAnswer)

    async def prediction(self, run_id: str) -> ScoresAnswer:
        """Return a bundle's scores, once there are any."""
        return await self._get(path_to("predictions", run_id), ScoresAnswer)

    async def workers(self) -> list[WorkerAnswer]:
        """Return the workers, silent ones included."""
        return await self._get("/v1/workers", list[WorkerAnswer])

    async def queues(self) -> list[QueueAnswer]:
        """Return the queues with unfinished runs or a living worker."""
        return await self._get("/v1/queues", list[QueueAnswer])

    async def drain(self, worker_id: str) -> WorkerAnswer:
        """Let a worker finish its runs and claim no more."""
        return await self._post(path_to("workers", worker_id, "drain"), WorkerAnswer)

    async def undrain(self, worker_id: str) -> WorkerAnswer:
        """Let a drained worker claim runs again."""
        return await self._post(path_to("workers", worker_id, "resume"), WorkerAnswer)

    async def act(self, verb: Verb, kind: ResourceKind, identifier: str) -> None:
        """Cancel, pause, resume or retry an experiment, a job or a run.

        Args:
            verb: Action.
            kind: Collection that the id belongs to; experiments can only be cancelled.
            identifier: Id of the experiment, job or run.
        """
        await self._post(path_to(kind, identifier, verb), object)

    async def retry_at(self, job_id: str, learning_rate: float) -> JobAnswer:
        """Retry a job at another learning rate, with all its seeds; return the job that takes its place.

        Args:
            job_id: A job of cell 51, 52 or 53 of which a run failed or was cancelled.
            learning_rate: The fixed peak, above 0 and at most 1.
        """
        return await self._post(path_to("jobs", job_id, "retry"), JobAnswer, {"learning_rate": learning_rate})

    async def whoami(self) -> WhoamiAnswer:
        """Return who the caller is, and what its token allows."""
        return await self._get("/v1/whoami", WhoamiAnswer)

    def audit(self, **filters: Any) -> AsyncIterator[AuditAnswer]:
        """Yield the entries of the audit log, newest first; filters are the API's query parameters."""
        return self._pages("/v1/audit", Page[AuditAnswer], filters)

    async def change(self, kind: Collection, identifier: str, changes: Mapping[str, Any]) -> None:
        """Change name, note, labels, or whether a thing is archived, by a JSON merge patch.

        Args:
            kind: Collection that the id belongs to.
            identifier: Id of the thing.
            changes: Some of `name`, `note`, `labels` and `archived`; null removes a value.
        """
        await self._ask(Call(method="PATCH", path=path_to(kind, identifier), answer=object, body=changes))

    async def delete(
        self, kind: Collection, identifier: str, *, cascade: bool = False, dry_run: bool = False
    ) -> DeletionAnswer:
        """Delete a thing with all that belongs to it; refused with code `still_used` while something depends on it.

        Args:
            kind: Collection that the id belongs to.
            identifier: Id of the thing.
            cascade: Delete what depends on it as well.
            dry_run: Return what would be deleted, and delete nothing.
        """
        flags = {"cascade": cascade or None, "dry_run": dry_run or None}
        path = with_query(path_to(kind, identifier), {name: "true" for name, flag in flags.items() if flag})
        done = (
            None
            if dry_run
            else {"dry_run": False, "counts": {kind.removesuffix("s"): 1}, "things": [], "size_bytes": None}
        )
        return await self._ask(Call(method="DELETE", path=path, answer=DeletionAnswer, done=done))

    async def prune(self, *, older_than_days: float, keep_decisions: bool = True, dry_run: bool = False) -> PruneAnswer:
        """Delete a part of what is old and what nothing depends on; call it again while the answer says `more`."""
        body = {"older_than_days": older_than_days, "keep_decisions": keep_decisions, "dry_run": dry_run}
        return await self._post("/v1/prune", PruneAnswer, body)

    async def usage(self, **parameters: Any) -> UsageAnswer:
        """Return the slot time that runs used, and what is stored; parameters are the API's query parameters."""
        return await self._get(with_query("/v1/usage", parameters), UsageAnswer)

    def uploads(self, **filters: Any) -> AsyncIterator[UploadAnswer]:
        """Yield all uploads, newest first; filters are the API's query parameters."""
        return self._pages("/v1/uploads", Page[UploadAnswer], filters)

    async def attempts(self, run_id: str) -> list[AttemptAnswer]:
        """Return a run's attempts, first to last."""
        return await self._get(path_to("runs", run_id, "attempts"), list[AttemptAnswer])

    async def last_events(
        self, kind: Literal["experiments", "runs"], identifier: str, *, count: int
    ) -> list[EventAnswer]:
        """Return the newest events of an experiment or a run, oldest first.

        Args:
            kind: Collection that the id belongs to.
            identifier: Id of the experiment or run.
            count: Events at most.
        """
        found: list[EventAnswer] = []
        while len(found) < count:
            limit = min(PAGE_SIZE, count - len(found))
            query = {"order": "desc", "limit": limit, "before": found[-1].id if found else None}
            page = await self._get(with_query(path_to(kind, identifier, "events"), query), list[EventAnswer])
            found += page
            if len(page) < limit:
                break
        return found[::-1]

    async def artifacts(self, run_id: str) -> list[ArtifactAnswer]:
        """Return the files that a run has written."""
        return await self._get(path_to("runs", run_id, "artifacts"), list[ArtifactAnswer])

    async def logs(self, run_id: str, *, attempt: int | None = None) -> AsyncIterator[LogChunk]:
        """Yield a run's output until now, oldest first; `attempt` selects one attempt."""
        after: str | None = None
        while True:
            path = with_query(path_to("runs", run_id, "logs"), {"attempt": attempt, "after": after})
            page = await self._get(path, LogPage, headers=JSON)
            for chunk in page.chunks:
                yield chunk
            if not page.chunks or page.next is None:
                return
            after = page.next

    async def follow_logs(self, run_id: str, *, attempt: int | None = None) -> AsyncIterator[LogChunk]:
        """Yield a run's output until the run has ended; a stream that breaks off is continued."""
        path = with_query(path_to("runs", run_id, "logs", "stream"), {"attempt": attempt})
        cursor: dict[str, str] = {}
        patience = self._patience()
        while True:
            try:
                async with self._opened(path, cursor) as answer:
                    events = EventParser()
                    async for block in answer.aiter_bytes():
                        for event in events.feed_bytes(block):
                            if event.kind == "end":
                                return
                            if event.kind != "log":
                                # `refused`, say: the next request is answered with the problem itself.
                                continue
                            cursor = {"Last-Event-ID": event.id}
                            yield LogChunk.model_validate_json(event.data)
                            patience = self._patience()
                reason = "the stream ended before the run"
            except httpx.TransportError as error:
                reason = self._route.broken(error)
            await self._sleep(patience.pause_s(reason))

    async def download_artifact(self, run_id: str, name: str, path: Path) -> None:
        """Write a run's file to `path`, whole or not at all; a download that breaks off is continued.

        Args:
            run_id: Id of the run.
            name: Name of the file, as `artifacts` lists it.
            path: File to write.

        Raises:
            Damaged: The content has another hash than the server's file.
            OSError: `path` cannot be written.
        """
        await self._download(f"{path_to('runs', run_id, 'artifacts')}/{quote(name)}", path)

    async def download_bundle(self, bundle_id: str, target: Path) -> None:
        """Write a bundle's archive to a file, whole or not at all.

        Raises:
            Refused: There is no such bundle, or it is not ready.
            OSError: The file cannot be written.
        """
        await self._save(path_to("bundles", bundle_id, "archive"), target)

    async def download_report(self, experiment_id: str, target: Path) -> None:
        """Write an experiment's report to a file as one HTML page, whole or not at all.

        Raises:
            Refused: There is no such experiment, or cell 54 has no report yet.
            OSError: The file cannot be written.
        """
        await self._save(path_to("experiments", experiment_id, "report.html"), target)
