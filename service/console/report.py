"""One JSON document of everything that is known of an experiment."""

from typing import Any

from service.client import Client


def experiment_report(client: Client, experiment_id: str) -> dict[str, Any]:
    """Return experiment, data set, every run with its result, gate, and the decisions with their evidence."""
    experiment = client.experiment(experiment_id)
    path = f"/v1/experiments/{experiment_id}"
    return {
        "experiment": experiment.model_dump(mode="json", exclude={"jobs"}),
        "dataset": client.dataset(experiment.dataset).model_dump(mode="json"),
        "runs": [client.run(run.id).model_dump(mode="json") for job in experiment.jobs for run in job.runs],
        "gate": client.gate(experiment_id).model_dump(mode="json"),
        "decisions": client.json(f"{path}/decisions"),
    }
