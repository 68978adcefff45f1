"""Letting a failed check of the gate pass, with a reason. Pure."""

from cellgate.contract.gate import GateReport, Waiver
from service.domain.errors import Conflict
from service.domain.gate.rules import add_up


def waive(report: GateReport, name: str, waiver: Waiver) -> GateReport:
    """Return the report with one failed check waived.

    Raises:
        Conflict: There is no such check, or it has not failed.
    """
    found = next((check for check in report.checks if check.name == name), None)
    failed = [check.name for check in report.checks if check.blocking and check.verdict == "fail"]
    if found is None or name not in failed:
        state = "is no check of this gate" if found is None else f"has not failed (it is {found.verdict})"
        raise Conflict(f"{name!r} {state}; only a failed check can be waived: {', '.join(failed) or 'there is none'}")
    waived = found.model_copy(update={"verdict": "waived", "waiver": waiver})
    return add_up(report.experiment, [waived if check is found else check for check in report.checks])
