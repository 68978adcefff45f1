# Generated from cellgate/client/_async by scripts/generate_client.py: do not edit.
"""An experiment with what one asks of it next: wait, curves, gate, decision, runs."""

from typing import TYPE_CHECKING, Any, Self

from pydantic import PrivateAttr

from cellgate.client.frames import CurvePoint, as_frame, points_of
from cellgate.client.requests import path_to
from cellgate.contract.api.experiments import ExperimentAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.cells import TRAINED
from cellgate.contract.decision import Decision
from cellgate.contract.gate import GateReport

if TYPE_CHECKING:
    from cellgate.client._sync.client import Client

TRAINED_CELLS = tuple(entry.json for entry in TRAINED)


class Experiment(ExperimentAnswer):
    """An experiment as the server had it, and the client that it came from."""

    _client: "Client" = PrivateAttr()

    def of(self, client: "Client") -> Self:
        """Return it with the client that answers what is asked of it."""
        self._client = client
        return self

    def wait(self) -> "Experiment":
        """Return the experiment once it has ended; its `conclusion` says what came of it."""
        answers = self._client.follow(
            path_to("experiments", self.id), Experiment, ended=lambda found: found.state.terminal
        )
        found = self
        for answer in answers:
            found = answer.of(self._client)
        return found

    def gate(self) -> GateReport:
        """Return the gate's report."""
        return self._client.gate(self.id)

    def decision(self) -> Decision:
        """Return the last decision; refused with code `decision_pending` while there is none."""
        return self._client.decision(self.id)

    def runs(self) -> list[RunAnswer]:
        """Return the runs that count, with their results, in the order of the pipeline."""
        found = self._client.experiment(self.id)
        counted = [run.id for job in found.jobs for run in job.runs if run.superseded_by is None]
        return [self._client.run(run_id) for run_id in counted]

    def curves(self, *keys: str, max_points: int | None = None) -> Any:
        """Return the curves of the trained seeds, a row per point: cell, seed, run, key, step, value.

        Args:
            keys: Names such as `dev/f1`; none returns all.
            max_points: Largest number of points of each curve; peaks are kept.

        Returns:
            A pandas DataFrame where pandas is installed, else a list of `CurvePoint`.
        """
        found = self._client.experiment(self.id)
        runs = [run for job in found.jobs for run in job.runs if run.cell in TRAINED_CELLS]
        points: list[CurvePoint] = []
        for run in (run for run in runs if run.superseded_by is None):
            answer = self._client.metrics(run.id, keys=keys, max_points=max_points)
            points += points_of(run, answer.curves)
        return as_frame(points)
