"""The report's head: gate and decisions of an experiment as text. Pure."""

from collections.abc import Iterator, Sequence

from cellgate.contract.conclusion import Conclusion
from cellgate.contract.decision import DecisionAnswer
from cellgate.contract.experiment import Policy
from cellgate.contract.gate import GateCheck, GateReport
from cellgate.contract.options import Option
from cellgate.contract.text import headline, number, score
from trainers.report.page import CheckLine, DecisionSection, Judged

STAGES = {"bases": "Decision over 51 and 52", "final": "Last decision, with fusion measured"}


def judged(
    experiment: str,
    name: str,
    *,
    gate: GateReport,
    decisions: Sequence[DecisionAnswer],
    policy: Policy,
    conclusion: Conclusion | None = None,
    reused: Sequence[str] = (),
) -> Judged:
    """Return the report's head.

    Args:
        experiment: Its id.
        name: Its name.
        gate: The gate's report.
        decisions: In the order in which they were taken.
        policy: Thresholds to mark in the charts.
        conclusion: What came of it; None until it has ended.
        reused: A line for each run whose result is that of an equal one.
    """
    return Judged(
        experiment=experiment,
        name=name,
        outcome=_outcome(conclusion),
        gate_verdict=gate.verdict,
        gate_summary=gate.summary,
        checks=[_check(check) for check in gate.checks],
        answers=[_answer(taken) for taken in reversed(decisions)],
        chosen=_chosen(decisions[-1]) if decisions else None,
        reused=reused,
        marks=[("gate", policy.gate_f1), ("skip fusion", policy.skip_fusion_f1)],
    )


def _outcome(conclusion: Conclusion | None) -> str | None:
    if conclusion is None:
        return None
    if conclusion.overruled_by is None:
        return conclusion.text
    return f"{conclusion.text}; computed: {conclusion.computed.text}"


def _answer(taken: DecisionAnswer) -> DecisionSection:
    return DecisionSection(
        title=STAGES[taken.stage],
        headline=headline(taken.outcome, taken.option, taken.seeds),
        confidence=taken.confidence,
        rule=taken.rule,
        reasons=taken.reasons,
        next_steps=taken.next_steps,
        overrulings=[
            f"Overruled by {one.by}: {headline(one.outcome, one.option)}. {one.reason}" for one in taken.overrulings
        ],
    )


def _chosen(taken: DecisionAnswer) -> Option | None:
    return taken.overrulings[-1].option if taken.overrulings else taken.option


def _check(check: GateCheck) -> CheckLine:
    return CheckLine(
        title=check.title,
        verdict=check.verdict,
        warns_only=not check.blocking,
        threshold=number(check.threshold),
        measured=" ".join(_measured(check)),
        reason="; ".join(_why(check)),
    )


def _measured(check: GateCheck) -> Iterator[str]:
    if check.measured is not None:
        yield number(check.measured)
    if check.interval is not None:
        yield f"({score(check.interval[0])} to {score(check.interval[1])})"


def _why(check: GateCheck) -> Iterator[str]:
    yield check.reason.replace(" | ", "; ")
    if check.waiver is not None:
        yield f"waived by {check.waiver.by}: {check.waiver.reason}"
