"""What of an experiment needs a person: one plain sentence with the cause as measured, and one action. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cellgate.contract.api.overview import AttentionKind
from cellgate.contract.api.tokens import Scope
from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.experiment import MAX_SEEDS
from cellgate.contract.gate import TITLES
from cellgate.contract.options import OPTION_NAMES
from cellgate.contract.states import FailureReason

LONGEST_DETAIL = 300
# What stands still for all comes first.
ORDER: Sequence[AttentionKind] = (
    "no_worker",
    "draining",
    "dataset_failed",
    "failed",
    "collapsed",
    "gate_failed",
    "borderline",
)
SEEDS_TO_ADD = 2


@dataclass(frozen=True, kw_only=True)
class Action:
    """A request that deals with it.

    Args:
        name: Of the operation.
        label: For a button.
        body: None: it has none.
        needs: Fields of the body that a person adds.
    """

    name: str
    label: str
    path: str
    method: str = "POST"
    body: Mapping[str, Any] | None = None
    needs: Sequence[str] = ()
    scope: Scope = Scope.SUBMIT


@dataclass(frozen=True, kw_only=True)
class Found:
    """One thing that needs a person, of an experiment.

    Args:
        run: The run that it is about, if it is about one.
    """

    kind: AttentionKind
    sentence: str
    action: Action
    run: str | None = None


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A run that failed and that nobody has tried again.

    Args:
        learning_rate: Peak that it trained at; None where it is not known, or trained nothing.
    """

    id: str
    job: str
    cell: str
    seed: int
    reason: FailureReason
    detail: str
    learning_rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class AttentionFacts:
    """The facts about an experiment that may need a person.

    Args:
        failure_detail: Why it failed, where it did.
        failed: Its failed runs that count.
        runs: How many count.
        gate: The report of a gate that failed; None: it passed, or was not judged.
        borderline: Whether something is to be shipped that the evidence does not settle.
        best: F1 of the best option, as stored.
        seeds: Those that it has.
    """

    id: str
    failure_detail: str | None = None
    failed: Sequence[FailedRun] = ()
    runs: int = 0
    gate: Mapping[str, Any] | None = None
    borderline: bool = False
    best: Mapping[str, Any] | None = None
    seeds: Sequence[int] = field(default_factory=list)


def attention_of(facts: AttentionFacts) -> Found | None:
    """Return what needs a person: the cause, where one thing follows from another; None: nothing does."""
    if facts.failed:
        return _failed_runs(facts)
    if facts.failure_detail is not None:
        return Found(kind="failed", sentence=f"Failed: {brief(facts.failure_detail)}.", action=_archive(facts.id))
    if facts.gate is not None:
        return _gate_failed(facts, facts.gate)
    return _borderline(facts) if facts.borderline else None


def brief(detail: str) -> str:
    """Return the first line of a text for people, without the full stop, cut where it is long."""
    first = next((line.strip() for line in detail.splitlines() if line.strip()), "no reason is on record")
    cut = first if len(first) <= LONGEST_DETAIL else f"{first[: LONGEST_DETAIL - 1]}…"
    return cut.rstrip(".")


def _failed_runs(facts: AttentionFacts) -> Found:
    first = next((run for run in facts.failed if run.reason is FailureReason.COLLAPSE), facts.failed[0])
    collapsed = first.reason is FailureReason.COLLAPSE
    alike = [run for run in facts.failed if (run.reason is FailureReason.COLLAPSE) is collapsed]
    word = "collapsed" if collapsed else "failed"
    which = f"seed {first.seed} of {ENTRY_OF[Cell(first.cell)].label}"
    cause = brief(first.detail) if collapsed else f"{first.reason.value.replace('_', ' ')}: {brief(first.detail)}"
    sentence = f"{which[0].upper()}{which[1:]} {word}: {cause}."
    if len(alike) > 1:
        sentence = f"{len(alike)} of {facts.runs} runs {word}; {which}: {cause}."
    action = _retry(first, [run for run in alike if run.job == first.job])
    return Found(kind="collapsed" if collapsed else "failed", sentence=sentence, action=action, run=first.id)


def _retry(first: FailedRun, of_job: Sequence[FailedRun]) -> Action:
    path = f"/v1/jobs/{first.job}/retry"
    if first.reason in (FailureReason.COLLAPSE, FailureReason.DIVERGENCE) and first.learning_rate:
        # At the same rate it would collapse again, from the same checkpoint.
        half = first.learning_rate / 2
        label = f"Retry all seeds of {ENTRY_OF[Cell(first.cell)].label} at half the learning rate, {half:.2g}"
        return Action(name="retry_job", label=label, path=path, body={"learning_rate": half})
    if len(of_job) > 1:
        return Action(name="retry_job", label=f"Retry {len(of_job)} runs", path=path)
    return Action(name="retry_run", label="Retry", path=f"/v1/runs/{first.id}/retry")


def _gate_failed(facts: AttentionFacts, gate: Mapping[str, Any]) -> Found:
    failed = [check for check in gate["checks"] if check["verdict"] == "fail"]
    if not failed:
        return Found(kind="gate_failed", sentence=f"The gate failed: {gate['summary']}.", action=_archive(facts.id))
    first = failed[0]
    others = len(failed) - 1
    more = f"; {others} more check{'s' if others > 1 else ''} failed" if others else ""
    title = TITLES.get(first["name"], first["name"])
    action = Action(
        name="waive_check",
        label=f"Waive “{title}”",
        path=f"/v1/experiments/{facts.id}/gate/waivers",
        body={"check": first["name"]},
        needs=("reason",),
        scope=Scope.ADMIN,
    )
    return Found(kind="gate_failed", sentence=f"The gate failed: {brief(first['reason'])}{more}.", action=action)


def _borderline(facts: AttentionFacts) -> Found:
    measured = ""
    if facts.best is not None and facts.best["low"] is not None:
        best = facts.best
        measured = f": {OPTION_NAMES[best['option']]} has F1 {best['mean']:.4f}, 95 % {best['low']:.4f} to "
        measured += f"{best['high']:.4f} over {best['seeds']} seed{'s' if best['seeds'] != 1 else ''}"
    new = [seed for seed in range(MAX_SEEDS + SEEDS_TO_ADD) if seed not in facts.seeds][:SEEDS_TO_ADD]
    sentence = f"Borderline: the evidence does not settle the answer{measured}."
    if len(facts.seeds) + len(new) > MAX_SEEDS:
        return Found(kind="borderline", sentence=sentence, action=_archive(facts.id))
    label = f"Add seeds {' and '.join(map(str, new))}"
    path = f"/v1/experiments/{facts.id}/seeds"
    return Found(
        kind="borderline",
        sentence=sentence,
        action=Action(name="add_seeds", label=label, path=path, body={"seeds": new}),
    )


def _archive(experiment_id: str) -> Action:
    return Action(
        name="change_experiment",
        label="Archive",
        method="PATCH",
        path=f"/v1/experiments/{experiment_id}",
        body={"archived": True},
    )
