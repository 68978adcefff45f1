"""What pyproject.toml cannot express: one wheel whose only importable package is `cellgate`.

The server's packages are shipped below `cellgate/_server`, which is no package itself. `cellgate.contract.processes`
starts their processes with that folder on the path.

A wheel without the built dashboard is refused; WITHOUT_DASHBOARD=1 in the environment allows it.
"""

import os
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel

SERVER = ("service", "worker", "trainers", "migrations")
DASHBOARD = Path("service/dashboard/static/index.html")


class WheelWithDashboard(bdist_wheel):
    """Builds the wheel; an editable install does not come here."""

    def run(self) -> None:
        """Build the wheel.

        Raises:
            SystemExit: The dashboard has not been built.
        """
        if not DASHBOARD.exists() and not os.environ.get("WITHOUT_DASHBOARD"):
            raise SystemExit(
                f"{DASHBOARD} does not exist: the wheel would have no dashboard. Build both with `make wheel`, "
                "or set WITHOUT_DASHBOARD=1 to do without."
            )
        super().run()


shipped = [f"cellgate._server.{name}" for name in find_packages(include=[f"{top}*" for top in SERVER])]
setup(
    packages=[*find_packages(include=["cellgate*"]), *shipped],
    cmdclass={"bdist_wheel": WheelWithDashboard},
    package_dir={"cellgate": "cellgate", **{f"cellgate._server.{top}": top for top in SERVER}},
)
