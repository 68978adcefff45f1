"""Two DAGs of one task, the trivial job: one that runs, one that is paused."""

import os
from datetime import datetime

from airflow.providers.standard.operators.bash import (  # type: ignore[import-not-found]  # in the peer's environment
    BashOperator,
)
from airflow.sdk import DAG  # type: ignore[import-not-found]  # installed in the peer's environment alone

COMMAND = f"{os.environ['PEERS_JOB_PYTHON']} {os.environ['PEERS_JOB']} {{{{ dag_run.conf['tag'] }}}}"

for name, paused in (("bench", False), ("parked", True)):
    with DAG(
        name,
        schedule=None,
        start_date=datetime(2020, 1, 1),
        catchup=False,
        is_paused_upon_creation=paused,
        max_active_runs=64,
    ) as dag:
        BashOperator(task_id="trivial", bash_command=COMMAND)
    globals()[name] = dag
