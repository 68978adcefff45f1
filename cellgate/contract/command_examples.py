"""Examples of every command, as its help and the reference show them."""

from collections.abc import Mapping, Sequence
from typing import Any

# By the words of the command.
EXAMPLES: Mapping[str, Sequence[str]] = {
    "submit": (
        "cellgate submit experiment.yaml --watch",
        "cellgate submit experiment.yaml --dataset functions --name second --set transformer.training.epochs=4",
        "cellgate submit experiment.yaml --dry-run",
    ),
    "sweep": ("cellgate sweep sweep.yaml --dataset functions --out found.json",),
    "seeds": ("cellgate seeds first 3 4 --watch",),
    "watch": ("cellgate watch first", "cellgate watch exp_01K5 > progress.log"),
    "ls": ("cellgate ls", "cellgate ls --outcome ships --label team:core -n 100", "cellgate ls --json > all.json"),
    "show": ("cellgate show first", "cellgate show run_01K5"),
    "runs ls": ("cellgate runs ls --experiment first --state failed",),
    "cancel": ("cellgate cancel first",),
    "pause": ("cellgate pause first",),
    "resume": ("cellgate resume first",),
    "open": ("cellgate open first", "cellgate open"),
    "spec init": ("cellgate spec init --name first --dataset functions > experiment.yaml",),
    "spec show": ("cellgate spec show first > second.yaml",),
    "set": ("cellgate set first --note 'with more epochs' --label team=core", "cellgate set first --archived"),
    "rm": ("cellgate rm first --dry-run", "cellgate rm functions --cascade"),
    "retry": ("cellgate retry run_01K5", "cellgate retry job_01K5 --rate 0.0005"),
    "gate show": ("cellgate gate first", "cellgate gate show first --json"),
    "gate waive": ("cellgate gate waive first mean_f1_gnn --reason 'known, see issue 7'",),
    "decision show": ("cellgate decision first",),
    "decision overrule": ("cellgate decision overrule first gnn --reason 'half the cost at the same recall'",),
    "decision verify": ("cellgate decision verify first",),
    "report": ("cellgate report first --html report.html", "cellgate report first --out report.json"),
    "compare": ("cellgate compare run_01K5A run_01K5B",),
    "metrics": ("cellgate metrics run_01K5 --key dev/f1",),
    "logs": ("cellgate logs run_01K5 --follow",),
    "events": ("cellgate events first --tail 20",),
    "artifacts": ("cellgate artifacts run_01K5",),
    "download": ("cellgate download run_01K5 result.json --out first.json",),
    "dataset add": (
        "cellgate dataset add functions.jsonl --wait",
        "cellgate dataset add train.parquet test.parquet --name devign --upload",
    ),
    "dataset inspect": ("cellgate dataset inspect functions.jsonl", "cellgate dataset inspect data/ --local"),
    "dataset export": ("cellgate dataset export functions for-the-analyser --suffix .cpp",),
    "dataset ls": ("cellgate dataset ls",),
    "dataset show": ("cellgate dataset show functions", "cellgate dataset show functions@2 --reading"),
    "uploads": ("cellgate uploads",),
    "evaluate": ("cellgate evaluate others --bundle bun_01K5", "cellgate evaluate others --scores log.sarif"),
    "bundle pack": ("cellgate bundle pack first", "cellgate bundle pack first --kind single --option gnn"),
    "bundle ls": ("cellgate bundle ls",),
    "bundle get": ("cellgate bundle get bun_01K5 --out models",),
    "bundle check": ("cellgate bundle check models/bun_01K5",),
    "bundle pack-local": (
        "cellgate bundle pack-local --kind single --dataset prepared --run runs/run_01K5/attempt-1 --out bundle",
    ),
    "bundle onnx": ("cellgate bundle onnx models/bun_01K5 --out onnx",),
    "up": ("cellgate up", "cellgate up --port 8500 --slots 2 --data-root /data"),
    "serve": ("cellgate serve --host 0.0.0.0",),
    "run-worker": ("""CELLGATE_QUEUES='["gpu"]' cellgate run-worker""",),
    "run-reconciler": ("cellgate run-reconciler",),
    "health": ("cellgate health", "cellgate health --role reconciler"),
    "migrate": ("cellgate migrate",),
    "backup": ("cellgate backup cellgate.backup",),
    "restore": ("cellgate restore cellgate.backup --data-dir restored",),
    "du": ("cellgate du",),
    "prune": ("cellgate prune --older-than 90d --dry-run",),
    "doctor": ("cellgate doctor",),
    "token new": ("cellgate token new ci --scope submit --expires 30d",),
    "token rotate": ("cellgate token rotate ci",),
    "token ls": ("cellgate token ls",),
    "token revoke": ("cellgate token revoke ci",),
    "worker ls": ("cellgate worker ls",),
    "worker drain": ("cellgate worker drain host-7",),
    "worker resume": ("cellgate worker resume host-7",),
    "queue ls": ("cellgate queue ls",),
    "audit ls": ("cellgate audit ls --action cancel_experiment",),
    "audit export": ("cellgate audit export audit.jsonl --since 2026-01-01T00:00:00Z",),
    "completion": ("source <(cellgate completion bash)",),
    "whoami": ("cellgate whoami",),
    "predict": ("cellgate predict models/bun_01K5 src/ --format sarif",),
    "graph": ("cellgate graph function.c --png graph.png",),
    "generate": ("cellgate generate --out functions.jsonl --functions 600",),
    "verify": ("cellgate verify runs/run_01K5/attempt-1",),
    "trainers report": ("cellgate trainers report runs/run_01K5/attempt-1 --html report.html",),
    "trainers schema": ("cellgate trainers schema result",),
    "trainers bundle pack": (
        "cellgate bundle pack-local --kind single --dataset prepared --run runs/run_01K5/attempt-1 --out bundle",
    ),
    "trainers bundle check": ("cellgate bundle check models/bun_01K5",),
    "trainers bundle onnx": ("cellgate bundle onnx models/bun_01K5 --out onnx",),
    "trainers bundle lines": ("cellgate trainers bundle lines models/bun_01K5 --dataset prepared",),
    "trainers bundle edits": ("cellgate trainers bundle edits models/bun_01K5 --dataset prepared",),
}
TITLE = "Examples:"


def examples_of(command: str) -> str | None:
    """Return the examples of a command as the end of its help; None where there are none.

    Args:
        command: Its words, such as `dataset add`.
    """
    lines = EXAMPLES.get(command)
    if lines is None:
        return None
    # Brackets would be read as colours.
    return "\n".join([TITLE, *(f"  {line}" for line in lines)]).replace("[", "\\[")


def add_examples(app: Any, *above: str) -> None:
    """Put the examples into the help of every command of a Typer app, and of the groups within.

    Args:
        app: The app; its commands and groups are registered.
        above: Words that stand before each command of it.
    """
    for info in app.registered_commands:
        name = info.name or info.callback.__name__.replace("_", "-")
        info.epilog = info.epilog or examples_of(" ".join([*above, name]))
    for group in app.registered_groups:
        add_examples(group.typer_instance, *above, group.name)
