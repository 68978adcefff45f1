"""What pyproject.toml cannot express: one wheel whose only importable package is `cellgate`.

The server's packages are shipped below `cellgate/_server`, which is no package itself. `cellgate.contract.processes`
starts their processes with that folder on the path.
"""

from setuptools import find_packages, setup

SERVER = ("service", "worker", "trainers", "migrations")

shipped = [f"cellgate._server.{name}" for name in find_packages(include=[f"{top}*" for top in SERVER])]
setup(
    packages=[*find_packages(include=["cellgate*"]), *shipped],
    package_dir={"cellgate": "cellgate", **{f"cellgate._server.{top}": top for top in SERVER}},
)
