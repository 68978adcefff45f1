"""Servers that can run no job on one machine without more: only what they cost is measured."""

from bench.peers.http_client import HttpClient
from bench.peers.peer import Row, Traits
from bench.peers.server_peer import Environment, ServerPeer

FOOTPRINT = frozenset({Row.FOOTPRINT})


class Dstack(ServerPeer):
    """The dstack server: a submit would look its image up at a registry.

    Args:
        environment: Settings, processes, shared servers.
    """

    def __init__(self, environment: Environment) -> None:
        likeness = {
            Row.SUBMIT: "cannot: a submit looks its image up at a container registry",
            Row.FOOTPRINT: "`dstack server`",
        }
        traits = Traits(
            name="dstack", port=5640, distribution="dstack", venv="dstack", likeness=likeness, rows=FOOTPRINT
        )
        super().__init__(environment, traits)

    def start(self) -> None:
        """Start the server."""
        options = ["-y", "--host", "127.0.0.1", "-p", str(self.traits.port), "--token", "bench"]
        self.run([self.program("dstack"), "server", *options], {"HOME": str(self.live)})

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether its health route answers."""
        await client.send("GET", "/healthcheck")
        return True


class SkyPilot(ServerPeer):
    """The SkyPilot API server: a submit needs a cloud, Kubernetes or SSH nodes.

    Args:
        environment: Settings, processes, shared servers.
    """

    def __init__(self, environment: Environment) -> None:
        likeness = {
            Row.SUBMIT: "cannot: needs a cloud, Kubernetes or SSH nodes",
            Row.FOOTPRINT: "`sky api start --foreground`",
        }
        traits = Traits(
            name="skypilot",
            port=46580,
            distribution="skypilot",
            venv="skypilot",
            likeness=likeness,
            rows=FOOTPRINT,
            idle_settle_s=12.0,
        )
        super().__init__(environment, traits)

    def start(self) -> None:
        """Start the server; its port cannot be chosen."""
        environment = {"HOME": str(self.live), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
        self.run([self.program("sky"), "api", "start", "--foreground", "--host", "127.0.0.1"], environment)

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether its health route answers."""
        await client.get("/api/health")
        return True
