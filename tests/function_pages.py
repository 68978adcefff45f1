"""A real data set with real verdicts behind an API: what prepare and cell 54 leave for pages about functions."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from cellgate.contract.artifacts import DATASET_FOLDER, VERDICTS_NAME
from cellgate.contract.events import EventWriter
from cellgate.contract.specs import AggregationSpec, PrepareSpec
from service.store.tables import DatasetRow, JobRow, RunRow
from tests.api_client import Api
from tests.finished_runs import aggregate, noisy_log_odds, write_run
from trainers.data.dataset import Dataset
from trainers.data.prepare import prepare
from trainers.demo_data.generator import write_jsonl

SEEDS = (0, 1)
# Names that a page, a search or a database might take for something else.
HOSTILE = (
    ("<script>alert(1)</script>", "int ok_name(int a) { return a; }", "CWE-79", "<img src=x onerror=alert(1)>"),
    (
        "Größe'; DROP TABLE functions; --",
        "int size(int ä) {\n  while (ä > 9) ä -= 2;\n  return ä; // ☃ 💥\n}",
        None,
        "100%_sure",
    ),
    ("\u202eesrever", "int third(void) { return 3; }", "CWE-1,CWE-2", None),
)


@dataclass(frozen=True, kw_only=True)
class FunctionPages:
    """What lies behind the pages.

    Args:
        api: That serves them.
        prepared: The data set, as trainers read it.
        folder: Where the API finds the data set.
        verdicts: Where it finds the verdicts of the experiment's models.
    """

    api: Api
    dataset: str
    experiment: str
    prepared: Dataset
    folder: Path
    verdicts: Path


def make_function_pages(scratch: Path) -> None:
    """Prepare a data set and weigh models on it that were made by hand; both lie in the folder afterwards."""
    made = _prepare(scratch)
    prepared = Dataset.open(made)
    runs = {
        cell: [
            {
                "seed": seed,
                "path": write_run(scratch / f"{cell}-{seed}", prepared, cell=cell, seed=seed, log_odds=model),
            }
            for seed in SEEDS
            for model in [noisy_log_odds(strength=strength, seed=100 * cell + seed)]
        ]
        for cell, strength in ((51, 1.0), (52, 1.5))  # type: ignore[assignment]
    }
    spec = {"dataset": made, "transformer": runs[51], "gnn": runs[52], "resamples": 100}
    aggregate(AggregationSpec.model_validate(spec), scratch / "54")


def function_pages(api: Api, scratch: Path) -> FunctionPages:
    """Return an API whose data set and evidence are those that `make_function_pages` has left in a folder."""
    made = scratch / DATASET_FOLDER
    dataset = api.ready_dataset()
    experiment = api.experiment(dataset, seeds=list(SEEDS))
    api.trainers().work()
    with api.database.read() as session:
        folder = api.settings.artifacts / str(session.get_one(DatasetRow, dataset).path)
        steps = select(RunRow.path).join(JobRow, RunRow.job_id == JobRow.id)
        evidence = session.scalars(steps.where(JobRow.experiment_id == experiment, JobRow.cell == "54")).all()[-1]
    shutil.copytree(made, folder, dirs_exist_ok=True)
    verdicts = api.settings.artifacts / str(evidence) / VERDICTS_NAME
    shutil.copy(scratch / "54" / VERDICTS_NAME, verdicts)
    return FunctionPages(
        api=api,
        dataset=dataset,
        experiment=experiment,
        prepared=Dataset.open(made),
        folder=folder,
        verdicts=verdicts,
    )


def _prepare(scratch: Path) -> Path:
    source = scratch / "functions.jsonl"
    write_jsonl(source, functions=240, seed=3)
    with source.open("a", encoding="utf-8") as file:
        for row_id, func, cwe, project in HOSTILE:
            row = {"id": row_id, "func": func, "target": 0, "cwe": cwe, "project": project}
            file.write(json.dumps({name: value for name, value in row.items() if value is not None}) + "\n")
    with EventWriter(scratch / "events.jsonl") as events:
        prepare(PrepareSpec(source=source, workers=1), scratch, events)
    return scratch / DATASET_FOLDER
