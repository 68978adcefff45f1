"""The Celery application that Flower watches. As a program: send the tasks that are to be present."""

import os
import subprocess
import time

from celery import Celery

REDIS = f"redis://127.0.0.1:{os.environ['PEERS_REDIS_PORT']}"
app = Celery("flower_app", broker=f"{REDIS}/0", backend=f"{REDIS}/1")
app.conf.update(
    task_track_started=True, worker_send_task_events=True, task_send_sent_event=True, worker_prefetch_multiplier=20
)


@app.task(name="seeded")
def seeded(number: int) -> None:
    """End at once; one of ten fails."""
    if number % 10 == 3:
        raise ValueError("failed on purpose")


@app.task(name="run")
def run(tag: str) -> None:
    """Run the trivial job."""
    subprocess.run([os.environ["PEERS_JOB_PYTHON"], os.environ["PEERS_JOB"], tag], check=True)


@app.task(name="rest")
def rest(seconds: float) -> None:
    """Stay in state STARTED for a while."""
    time.sleep(seconds)


if __name__ == "__main__":
    for number in range(int(os.environ["PEERS_RUNS_PRESENT"])):
        app.send_task("seeded", (number,))
