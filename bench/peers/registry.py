"""Every peer by its name."""

from collections.abc import Callable, Mapping
from functools import partial

from bench.peers.peer import Peer
from bench.peers.server_peer import Environment
from bench.peers.targets.aim import Aim
from bench.peers.targets.airflow import Airflow
from bench.peers.targets.cellgate import Cellgate
from bench.peers.targets.cellgate_variants import CellgateConditional, CellgateWhole
from bench.peers.targets.floor import Floor
from bench.peers.targets.flower import Flower
from bench.peers.targets.footprint_only import Dstack, SkyPilot
from bench.peers.targets.mlflow import MLflow
from bench.peers.targets.prefect import Prefect
from bench.peers.targets.ray import Ray

PEERS: Mapping[str, Callable[[Environment], Peer]] = {
    "floor": Floor,
    "cellgate": Cellgate,
    "cellgate-postgres": partial(Cellgate, postgres=True),
    "cellgate-conditional": CellgateConditional,
    "cellgate-conditional-postgres": partial(CellgateConditional, postgres=True),
    "cellgate-whole": CellgateWhole,
    "cellgate-whole-postgres": partial(CellgateWhole, postgres=True),
    "mlflow": MLflow,
    "mlflow-postgres": partial(MLflow, postgres=True),
    "prefect": Prefect,
    "prefect-postgres": partial(Prefect, postgres=True),
    "ray": Ray,
    "airflow": Airflow,
    "flower": Flower,
    "aim": Aim,
    "dstack": Dstack,
    "skypilot": SkyPilot,
}
# What needs no installation beside Cellgate's own.
DEFAULT = ("floor", "cellgate")
