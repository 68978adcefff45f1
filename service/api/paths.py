"""Identifiers, cursors and limits as they come in paths and queries."""

from typing import Annotated

from fastapi import Path, Query

DatasetPath = Annotated[str, Path(alias="dataset_id", pattern=r"^ds_[0-9A-Z]{26}$")]
ExperimentPath = Annotated[str, Path(alias="experiment_id", pattern=r"^exp_[0-9A-Z]{26}$")]
JobPath = Annotated[str, Path(alias="job_id", pattern=r"^job_[0-9A-Z]{26}$")]
BundlePath = Annotated[str, Path(alias="bundle_id", pattern=r"^bun_[0-9A-Z]{26}$")]
RunPath = Annotated[str, Path(alias="run_id", pattern=r"^run_[0-9A-Z]{26}$")]
Limit = Annotated[int, Query(ge=1, le=500, description="Items on a page.")]
After = Annotated[
    str | None, Query(pattern=r"^[a-z]{2,3}_[0-9A-Z]{26}$", description="Cursor: `next` of the page before.")
]
AfterEvent = Annotated[int, Query(ge=0, lt=2**63, description="Only events with a higher id.")]
