"""Scores of baselines without understanding on the gate split, from the data set's report."""

import json
from pathlib import Path
from typing import get_args

from cellgate.contract.artifacts import DATASET_REPORT_NAME
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.evidence import Baseline, BaselineName


def read_baselines(dataset: Path) -> list[Baseline]:
    """Return the baselines of a prepared data set, those that its report knows.

    Args:
        dataset: The data set's folder.

    Raises:
        DataError: The report is damaged.
    """
    path = dataset / DATASET_REPORT_NAME
    try:
        probes = json.loads(path.read_bytes())["probes"]
        scores = {name: probes[name] for name in get_args(BaselineName) if name in probes}
        return [
            # Calling everything vulnerable ranks nothing.
            Baseline(name="all_positive", f1=probes["all_positive_f1"], auroc=0.5),
            *(Baseline(name=name, f1=found["f1"], auroc=found["auroc"]) for name, found in scores.items()),
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: the report is damaged",
            [
                InputError(
                    where=str(path),
                    found=f"{type(error).__name__}: {error}",
                    expected="the report as it was written",
                    fix="restore the file, or prepare the data set again",
                )
            ],
        ) from error
