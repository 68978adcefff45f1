"""The validation gate: every check that cells 51 and 52 must pass before fusion. Pure."""

from collections.abc import Mapping, Sequence

from cellgate.contract.evidence import Evidence, OptionEvidence
from cellgate.contract.experiment import Policy
from cellgate.contract.gate import BLOCKING, GateCheck, GateCheckVerdict, GateReport, Waiver
from service.domain.errors import Conflict
from service.domain.gate.deployment import DEPLOYMENT
from service.domain.gate.inputs import NAMES, GateInputs, GateRule
from service.domain.gate.required import REQUIRED
from service.domain.gate.warnings import WARNINGS

# In the order of `cellgate.contract.gate.CHECKS`, which a test compares with it.
RULES: tuple[GateRule, ...] = (*REQUIRED, *WARNINGS, *DEPLOYMENT)
ADVICE: Mapping[str, str] = {rule.name: rule.advice for rule in RULES if rule.advice is not None}


def evaluate_gate(inputs: GateInputs, policy: Policy) -> GateReport:
    """Return the gate's report: pending until every run of 51 and 52 has ended, then pass or fail.

    It passes when every blocking check passes. The point estimate decides; intervals are shown beside it. A value
    that is exactly at its threshold is not above it.
    """
    checks = [check for rule in RULES if (check := _evaluate(rule, inputs, policy)) is not None]
    if not inputs.complete:
        pending = [check.model_copy(update={"verdict": "pending"}) for check in checks]
        return GateReport(
            experiment=inputs.experiment, verdict="pending", checks=pending, summary=_pending_summary(inputs)
        )
    return _add_up(inputs.experiment, checks)


def waive(report: GateReport, name: str, waiver: Waiver) -> GateReport:
    """Return the report with one failed check waived.

    Args:
        report: Pass or fail.
        name: Of the check.
        waiver: Who waives it, and why.

    Raises:
        Conflict: There is no such check, or it has not failed.
    """
    found = next((check for check in report.checks if check.name == name), None)
    failed = [check.name for check in report.checks if check.blocking and check.verdict == "fail"]
    if found is None or name not in failed:
        state = "is no check of this gate" if found is None else f"has not failed (it is {found.verdict})"
        raise Conflict(f"{name!r} {state}; only a failed check can be waived: {', '.join(failed) or 'there is none'}")
    waived = found.model_copy(update={"verdict": "waived", "waiver": waiver})
    return _add_up(report.experiment, [waived if check is found else check for check in report.checks])


def without_later_waivers(report: GateReport, taken_at: float) -> GateReport:
    """Return the report as it was at a time: checks that were waived later have failed.

    Args:
        report: Of now.
        taken_at: Seconds since the epoch.
    """
    later = [check.waiver is not None and check.waiver.at > taken_at for check in report.checks]
    if not any(later):
        return report
    failed = {"verdict": "fail", "waiver": None}
    checks = [
        check.model_copy(update=failed) if is_later else check
        for check, is_later in zip(report.checks, later, strict=True)
    ]
    return _add_up(report.experiment, checks)


def with_intervals(report: GateReport, evidence: Evidence) -> GateReport:
    """Return the report with the evidence's intervals of the mean F1s; verdicts and reasons stay.

    Cell 54's intervals are over functions and seeds, the gate's own over seeds alone. One replaces the other only
    where both are of the same F1s.
    """
    options: dict[str, OptionEvidence] = {option.option: option for option in evidence.options}
    checks = [_with_interval(check, options) for check in report.checks]
    return report.model_copy(update={"checks": checks})


def _evaluate(rule: GateRule, inputs: GateInputs, policy: Policy) -> GateCheck | None:
    found = rule.evaluate(inputs, policy)
    if found is None:
        return None
    blocking = rule.name in BLOCKING or rule.name in policy.blocking
    verdict: GateCheckVerdict = "fail" if blocking else "warn"
    return GateCheck(
        name=rule.name,
        cell=found.cell,
        blocking=blocking,
        verdict="pass" if found.passed else verdict,
        threshold=found.threshold,
        measured=found.measured,
        interval=found.interval,
        reason=found.reason,
        seeds=found.seeds,
        evidence=found.evidence,
    )


def _with_interval(check: GateCheck, options: Mapping[str, OptionEvidence]) -> GateCheck:
    option = None if check.cell is None else options.get(NAMES[check.cell])
    if option is None or option.f1_per_seed != [of_seed.value for of_seed in check.seeds]:
        return check
    return check.model_copy(update={"interval": (option.f1_interval.low, option.f1_interval.high)})


def _add_up(experiment: str, checks: Sequence[GateCheck]) -> GateReport:
    failed = [check.title for check in checks if check.blocking and check.verdict == "fail"]
    return GateReport(
        experiment=experiment,
        verdict="fail" if failed else "pass",
        checks=list(checks),
        summary=_summary(checks, failed),
    )


def _summary(checks: Sequence[GateCheck], failed: Sequence[str]) -> str:
    blocking = sum(check.blocking for check in checks)
    warned = [check.title for check in checks if check.verdict == "warn"]
    waived = [check.title for check in checks if check.verdict == "waived"]
    text = f"{blocking - len(failed) - len(waived)} of {blocking} blocking checks pass"
    if waived:
        text += f"; waived: {', '.join(waived)}"
    if failed:
        text += f"; failed: {', '.join(failed)}"
    return text + (f"; warnings: {', '.join(warned)}" if warned else "")


def _pending_summary(inputs: GateInputs) -> str:
    requested = sum(len(seeds) for seeds in inputs.seeds.values())
    ended = sum(run.state.terminal for run in inputs.runs)
    missing = [str(cell) for cell in NAMES if not inputs.seeds.get(cell)]
    if missing:
        verb = "have" if len(missing) > 1 else "has"
        return f"cell {' and cell '.join(missing)} {verb} not been started yet"
    return f"{ended} of {requested} runs of 51 and 52 have ended"
