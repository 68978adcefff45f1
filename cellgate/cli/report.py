"""One JSON document of everything that is known of an experiment."""

from typing import Any

from cellgate.client.calls import Refused
from cellgate.client.client import Client

NO_REPORT = frozenset({"evidence_pending", "report_lost"})


def experiment_report(client: Client, experiment_id: str) -> dict[str, Any]:
    """Return experiment, data set, every run with its result, gate, decisions with evidence, and the report over seeds.

    The last is null while cell 54 has not weighed anything.
    """
    experiment = client.experiment(experiment_id)
    path = f"/v1/experiments/{experiment_id}"
    return {
        "experiment": experiment.model_dump(mode="json", exclude={"jobs"}),
        "dataset": client.dataset(experiment.dataset).model_dump(mode="json"),
        "runs": [client.run(run.id).model_dump(mode="json") for job in experiment.jobs for run in job.runs],
        "gate": client.gate(experiment_id).model_dump(mode="json"),
        "decisions": client.json(f"{path}/decisions"),
        "report": _over_seeds(client, experiment_id),
    }


def _over_seeds(client: Client, experiment_id: str) -> dict[str, Any] | None:
    try:
        return client.report(experiment_id).report.model_dump(mode="json")
    except Refused as error:
        if error.code in NO_REPORT:
            return None
        raise
