"""Cellgate's public face: clients of the HTTP API.

    from cellgate import Client

    with Client("http://127.0.0.1:8451") as client:
        for experiment in client.experiments():
            print(experiment.name, experiment.state)

Importing `cellgate` loads nothing else; each name is imported when it is first used. `cellgate.contract` holds the
types of specs, results and answers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellgate.client._async.client import AsyncClient
    from cellgate.client._sync.client import Client
    from cellgate.client.errors import (
        ClientError,
        Damaged,
        NotIdentified,
        OtherRelease,
        Refused,
        ServerAway,
        UnusableProxy,
    )
    from cellgate.contract.api.problem import Problem

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Damaged",
    "NotIdentified",
    "OtherRelease",
    "Problem",
    "Refused",
    "ServerAway",
    "UnusableProxy",
]

_HOME = {
    "AsyncClient": "cellgate.client._async.client",
    "Client": "cellgate.client._sync.client",
    "ClientError": "cellgate.client.errors",
    "Damaged": "cellgate.client.errors",
    "NotIdentified": "cellgate.client.errors",
    "Problem": "cellgate.contract.api.problem",
    "Refused": "cellgate.client.errors",
    "OtherRelease": "cellgate.client.errors",
    "ServerAway": "cellgate.client.errors",
    "UnusableProxy": "cellgate.client.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name (PEP 562).

    Raises:
        AttributeError: The name is not public.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
