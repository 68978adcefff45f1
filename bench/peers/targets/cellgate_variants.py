"""Cellgate measured in other ways: by clients that hold an ETag, and for more than the other peers answer."""

from dataclasses import replace

from bench.peers.http_client import HttpClient, HttpError
from bench.peers.peer import Row
from bench.peers.server_peer import Environment
from bench.peers.targets.cellgate import Cellgate, cellgate_traits

NOT_MODIFIED = 304


class CellgateConditional(Cellgate):
    """Polls with `If-None-Match`, as a client does after its first response.

    Args:
        environment: Settings, processes, shared servers.
        postgres: Whether on PostgreSQL and Redis.
    """

    def __init__(self, environment: Environment, *, postgres: bool = False) -> None:
        likeness = {Row.STATUS: "like: GET /v1/runs/{id}/status with If-None-Match, answered 304"}
        traits = cellgate_traits("cellgate-conditional", postgres=postgres)
        rows = frozenset({Row.STATUS})
        super().__init__(environment, postgres=postgres, traits=replace(traits, likeness=likeness, rows=rows))
        self._etags: dict[str, str] = {}

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Poll whether the run has changed since the first response.

        Raises:
            HttpError: It has.
        """
        path = f"/v1/runs/{run_id}/status"
        if run_id not in self._etags:
            self._etags[run_id] = (await client.request("GET", path)).headers["etag"]
        reply = await client.request("GET", path, headers={"If-None-Match": self._etags[run_id]})
        if reply.status != NOT_MODIFIED:
            raise HttpError(f"{path} was answered with {reply.status}; expected {NOT_MODIFIED}")
        return str(reply.status)


class CellgateWhole(Cellgate):
    """Submits whole experiments, and reads whole runs and jobs.

    Args:
        environment: Settings, processes, shared servers.
        postgres: Whether on PostgreSQL and Redis.
    """

    def __init__(self, environment: Environment, *, postgres: bool = False) -> None:
        likeness = {
            Row.SUBMIT: "more: POST /v1/experiments, with its first jobs and runs",
            Row.STATUS: "more: GET /v1/runs/{id}, with what it waits for and its result",
            Row.LIST: "more: GET /v1/jobs?state=failed&limit=50, with their runs",
        }
        traits = cellgate_traits("cellgate-whole", postgres=postgres)
        rows = frozenset(likeness)
        super().__init__(environment, postgres=postgres, traits=replace(traits, likeness=likeness, rows=rows))

    async def submit(self, client: HttpClient, number: int) -> str:
        """Submit an experiment; return its first run's id."""
        del number
        body = {"name": "bench", "dataset": self._dataset, "queue": "parked", "seeds": [0]}
        return str((await client.post("/v1/experiments", body))["jobs"][0]["runs"][0]["id"])

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return the run's state from the whole run."""
        return str((await client.get(f"/v1/runs/{run_id}"))["state"])

    async def list_failed(self, client: HttpClient) -> int:
        """Filter the jobs."""
        return len((await client.get("/v1/jobs?state=failed&limit=50"))["items"])
