"""Identifiers, cursors and limits as they come in paths and queries."""

from typing import Annotated

from fastapi import Path, Query

from cellgate.contract.identifiers import BUNDLE_ID, DATASET_ID, EXPERIMENT_ID, JOB_ID, RUN_ID, ULID

DatasetPath = Annotated[str, Path(alias="dataset_id", pattern=DATASET_ID)]
ExperimentPath = Annotated[str, Path(alias="experiment_id", pattern=EXPERIMENT_ID)]
JobPath = Annotated[str, Path(alias="job_id", pattern=JOB_ID)]
BundlePath = Annotated[str, Path(alias="bundle_id", pattern=BUNDLE_ID)]
RunPath = Annotated[str, Path(alias="run_id", pattern=RUN_ID)]
Limit = Annotated[int, Query(ge=1, le=500, description="Maximum number of items.")]
After = Annotated[str | None, Query(pattern=f"^[a-z]{{2,3}}_{ULID}$", description="Cursor: `next` of the page before.")]
AfterEvent = Annotated[int, Query(ge=0, lt=2**63, description="Return events with a higher id only.")]
