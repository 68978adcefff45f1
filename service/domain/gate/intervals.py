"""The gate's intervals once cell 54 has weighed the same F1s: over functions and seeds, not over seeds alone. Pure."""

from cellgate.contract.evidence import Evidence, OptionEvidence
from cellgate.contract.gate import GateCheck, GateReport
from service.domain.gate.inputs import NAMES


def with_intervals(report: GateReport, evidence: Evidence) -> GateReport:
    """Return the report with the evidence's intervals of the mean F1s; verdicts and reasons stay.

    What was weighed counts only where it is the very F1s that the gate has judged.
    """
    options: dict[str, OptionEvidence] = {option.option: option for option in evidence.options}
    checks = [_with_interval(check, options) for check in report.checks]
    return report.model_copy(update={"checks": checks})


def _with_interval(check: GateCheck, options: dict[str, OptionEvidence]) -> GateCheck:
    if check.cell is None or check.name != f"mean_f1_{NAMES[check.cell]}":
        return check
    weighed = options.get(NAMES[check.cell])
    if weighed is None or weighed.f1_per_seed != [of_seed.value for of_seed in check.seeds]:
        return check
    return check.model_copy(update={"interval": (weighed.f1_interval.low, weighed.f1_interval.high)})
