"""Commands that run on this machine: the server's, the worker's and the trainers' own, each a process of its own."""

import typer

from cellgate.cli.handover import PassedOn, hand_over

app = typer.Typer()


@app.command(cls=PassedOn)
def up(context: typer.Context) -> None:
    """Run API, worker, reconciler and broker on this machine until Ctrl-C."""
    hand_over(context, "service", "up", needs="server", install="server,worker,embedded")


@app.command(cls=PassedOn)
def serve(context: typer.Context) -> None:
    """Run the API alone."""
    hand_over(context, "service", "serve", needs="server")


@app.command(cls=PassedOn)
def migrate(context: typer.Context) -> None:
    """Bring the database to the newest schema."""
    hand_over(context, "service", "migrate", needs="server")


@app.command(cls=PassedOn)
def backup(context: typer.Context) -> None:
    """Write database and artifacts to one file, while the server runs."""
    hand_over(context, "service", "backup", needs="server")


@app.command(cls=PassedOn)
def restore(context: typer.Context) -> None:
    """Restore a backup into an empty place, and verify it."""
    hand_over(context, "service", "restore", needs="server")


@app.command(cls=PassedOn)
def token(context: typer.Context) -> None:
    """Make, list and revoke tokens in the database."""
    hand_over(context, "service", "token", needs="server")


@app.command(cls=PassedOn)
def doctor(context: typer.Context) -> None:
    """Check settings, folders, database, broker, workers and clocks, and say what to do."""
    hand_over(context, "service", "doctor", needs="server")


@app.command("run-worker", cls=PassedOn)
def run_worker(context: typer.Context) -> None:
    """Run a worker: claim runs and train them until SIGTERM."""
    hand_over(context, "worker", "run", needs="worker")


@app.command("run-reconciler", cls=PassedOn)
def run_reconciler(context: typer.Context) -> None:
    """Run the reconciler: recover lost runs and send webhooks until SIGTERM."""
    hand_over(context, "worker", "reconciler", needs="server")


@app.command(cls=PassedOn)
def health(context: typer.Context) -> None:
    """Tell whether the worker or reconciler on this host is well."""
    hand_over(context, "worker", "health", needs="server")


@app.command(cls=PassedOn)
def predict(context: typer.Context) -> None:
    """Score the functions of C and C++ files with a bundle; exit code 9 when one is above the threshold."""
    hand_over(context, "trainers", "predict", needs="worker")


@app.command(cls=PassedOn)
def graph(context: typer.Context) -> None:
    """Show the graph that the model sees of one function."""
    hand_over(context, "trainers", "graph", needs="worker")


@app.command(cls=PassedOn)
def generate(context: typer.Context) -> None:
    """Write labelled C functions for a demo or a test."""
    hand_over(context, "trainers", "generate", needs="worker")


@app.command(cls=PassedOn)
def verify(context: typer.Context) -> None:
    """Evaluate the predictions of a finished run of cell 54 again and compare every byte."""
    hand_over(context, "trainers", "verify", needs="worker")


@app.command(cls=PassedOn)
def trainers(context: typer.Context) -> None:
    """Run one cell without a server, as workers do."""
    hand_over(context, "trainers", needs="worker")
