"""Preparing, reading and weighing need no torch, so that the processes that do it start fast and stay small."""

import subprocess
import sys


def test_preparing_reading_and_aggregation_do_not_import_torch() -> None:
    program = (
        "import sys, trainers.data.prepare, trainers.data.dataset, trainers.evaluation.aggregate; "
        "sys.exit(','.join({'torch', 'transformers', 'fastapi', 'sqlalchemy', 'celery'} & set(sys.modules)) or 0)"
    )

    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (outcome.returncode, outcome.stderr) == (0, "")
