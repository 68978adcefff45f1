"""A typed client of the HTTP API: retries what is safe to send twice, polls politely, explains every refusal.

ClientError
├── Refused             the server answered with a problem; its message lists every mistake
└── ServerAway          nobody answered, however often we asked
"""

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.api.schemas import (
    DatasetAnswer,
    ExperimentAnswer,
    ExperimentSummary,
    JobAnswer,
    Page,
    RunAnswer,
)
from service.domain.decision import Decision, Overruling
from service.domain.gate import GateReport

DEFAULT_SERVER = "http://127.0.0.1:8451"
TIMEOUT_S = 30.0
PATIENCE_S = 15.0
FIRST_PATIENCE_S = 3.0
FIRST_RETRY_S = 0.1
SLOWEST_RETRY_S = 2.0
POLL_S = 1.0
PAGE_SIZE = 200
# A proxy's word that the server behind it is away: nothing was done, or the Idempotency-Key makes it harmless.
AWAY = frozenset({502, 503, 504})
Verb = Literal["cancel", "pause", "resume", "retry"]
Kind = Literal["experiments", "jobs", "runs"]
M = TypeVar("M", bound=BaseModel)


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


class Client:
    """The API, one method per thing that can be asked; a context manager.

    Args:
        server: Base address.
        token: Bearer token, where the server wants one.
        transport: Stands in for the network.
        patience_s: How long to go on trying when a server that has answered before is away.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server = server.rstrip("/")
        self._patience_s = patience_s
        self._sleep = sleep
        self._was_there = False
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.server, headers=headers, timeout=TIMEOUT_S, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def add_dataset(self, body: Mapping[str, Any]) -> DatasetAnswer:
        """Ask for a data set to be prepared."""
        return self._post("/v1/datasets", body, DatasetAnswer)

    def dataset(self, dataset_id: str) -> DatasetAnswer:
        """Return a data set."""
        return self._get(f"/v1/datasets/{dataset_id}", DatasetAnswer)

    def datasets(self) -> Iterator[DatasetAnswer]:
        """Yield all data sets, newest first."""
        return self._all("/v1/datasets", DatasetAnswer)

    def submit_experiment(self, body: Mapping[str, Any]) -> ExperimentAnswer:
        """Submit an experiment."""
        return self._post("/v1/experiments", body, ExperimentAnswer)

    def experiment(self, experiment_id: str) -> ExperimentAnswer:
        """Return an experiment with its jobs and runs."""
        return self._get(f"/v1/experiments/{experiment_id}", ExperimentAnswer)

    def experiments(self) -> Iterator[ExperimentSummary]:
        """Yield all experiments, newest first."""
        return self._all("/v1/experiments", ExperimentSummary)

    def gate(self, experiment_id: str) -> GateReport:
        """Return an experiment's gate report."""
        return self._get(f"/v1/experiments/{experiment_id}/gate", GateReport)

    def decision(self, experiment_id: str) -> Decision:
        """Return an experiment's last decision.

        Raises:
            Refused: There is none yet (code `decision_pending`).
        """
        return self._get(f"/v1/experiments/{experiment_id}/decision", Decision)

    def waive(self, experiment_id: str, *, check: str, reason: str) -> GateReport:
        """Let a failed check of the gate pass and return the new report."""
        body = {"check": check, "reason": reason}
        return self._post(f"/v1/experiments/{experiment_id}/gate/waivers", body, GateReport)

    def overrule(self, experiment_id: str, body: Mapping[str, Any]) -> Overruling:
        """Put an answer beside the last decision."""
        return self._post(f"/v1/experiments/{experiment_id}/decision", body, Overruling)

    def submit_job(self, body: Mapping[str, Any]) -> JobAnswer:
        """Submit one cell."""
        return self._post("/v1/jobs", body, JobAnswer)

    def job(self, job_id: str) -> JobAnswer:
        """Return a job with its runs."""
        return self._get(f"/v1/jobs/{job_id}", JobAnswer)

    def run(self, run_id: str) -> RunAnswer:
        """Return a run with its result."""
        return self._get(f"/v1/runs/{run_id}", RunAnswer)

    def act(self, verb: Verb, kind: Kind, identifier: str) -> None:
        """Ask for something to be done with what is there: end, pause, resume or try again."""
        self._send("POST", f"/v1/{kind}/{identifier}/{verb}", headers={"Idempotency-Key": str(uuid4())})

    def json(self, path: str) -> Any:
        """Return what lies at `path` as plain JSON values."""
        return self._send("GET", path).json()

    def follow(self, path: str, model: type[M], *, ended: Callable[[M], bool]) -> Iterator[M]:
        """Yield what lies at `path`, and again whenever it has changed, until it has ended.

        The server says how often to ask (`Retry-After`), and answers shortly (304) while nothing has changed.
        """
        etag = ""
        while True:
            answer = self._send("GET", path, headers={"If-None-Match": etag} if etag else {})
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                etag = answer.headers.get("ETag", "")
                found = self._parsed(answer, model)
                yield found
                if ended(found):
                    return
            self._sleep(_retry_after_s(answer))

    def _all(self, path: str, model: type[M]) -> Iterator[M]:
        after = ""
        while True:
            page = self._get(f"{path}?limit={PAGE_SIZE}{after}", Page[model])  # type: ignore[valid-type]
            yield from page.items
            if page.next is None:
                return
            after = f"&after={page.next}"

    def _get(self, path: str, model: type[M]) -> M:
        return self._parsed(self._send("GET", path), model)

    def _post(self, path: str, body: Mapping[str, Any], model: type[M]) -> M:
        # One key for all tries: a try whose answer was lost is answered again, not done again.
        answer = self._send("POST", path, json=dict(body), headers={"Idempotency-Key": str(uuid4())})
        return self._parsed(answer, model)

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        deadline = time.monotonic() + (self._patience_s if self._was_there else min(self._patience_s, FIRST_PATIENCE_S))
        wait_s = FIRST_RETRY_S
        while True:
            reason = "no answer"
            try:
                answer = self._http.request(method, path, **arguments)
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise ServerAway(self.server, str(error)) from error
            else:
                if answer.status_code not in AWAY:
                    self._was_there = True
                    return _checked(answer)
                reason = f"status {answer.status_code}"
            if time.monotonic() + wait_s > deadline:
                raise ServerAway(self.server, reason)
            self._sleep(wait_s)
            wait_s = min(2 * wait_s, SLOWEST_RETRY_S)

    def _parsed(self, answer: httpx.Response, model: type[M]) -> M:
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise ServerAway(
                self.server, f"{answer.request.url.path} answers with something that is not Cellgate's: {error}"
            ) from error


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code < 400:
        return answer
    try:
        raise Refused(Problem.model_validate({"status": answer.status_code, **answer.json()}))
    except (ValueError, TypeError) as error:
        problem = Problem(status=answer.status_code, title=answer.reason_phrase, detail=answer.text[:500])
        raise Refused(problem) from error


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        return max(0.1, float(answer.headers["Retry-After"]))
    except (KeyError, ValueError):
        return POLL_S
