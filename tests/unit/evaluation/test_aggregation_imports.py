"""What cell 54 costs before it begins."""

import subprocess
import sys


def test_aggregation_loads_no_torch() -> None:
    code = "import sys, trainers.evaluation.aggregate; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
