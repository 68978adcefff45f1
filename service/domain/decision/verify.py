"""Recompute a decision from what it knew when it was taken, and compare. Pure.

Gate and policy are stored with the decision, since a waiver changes the gate afterwards. What was stored must agree
with the gate of now, later waivers apart. Decisions of release 0.2.0 and before have nothing stored: for them the gate
of now counts, without the waivers that came later.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from cellgate.contract.artifacts import PREDICTIONS_FOLDER
from cellgate.contract.cells import TRAINED, CellName
from cellgate.contract.decision import Decision, DecisionAnswer, DecisionInputs
from cellgate.contract.errors import shortened
from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import Policy
from cellgate.contract.files import sha256_of_json, to_json
from cellgate.contract.gate import GateCheck, GateReport
from cellgate.contract.results import RunResult
from service.domain.decision.rules import decide
from service.domain.gate.report import without_later_waivers

OPTION_OF_CELL: Mapping[CellName, str] = {entry.json: entry.name for entry in TRAINED}


@dataclass(frozen=True, kw_only=True)
class DecisionSources:
    """The stored sources of a decision.

    Args:
        gate: The gate's report of now.
        policy: Of the experiment.
        results: Results of the experiment's current runs that succeeded.
    """

    gate: GateReport
    policy: Policy
    results: Iterable[RunResult]


def decision_differences(decision: Decision, sources: DecisionSources) -> list[str]:
    """Return the differences between a decision and its recomputation, byte for byte; empty if there are none."""
    results = list(sources.results)
    found = [*_of_evidence(decision, results)]
    then, known = _then(decision, sources), decision.known if isinstance(decision, DecisionAnswer) else None
    if known is not None:
        found += _of_known(known, then)
        then = known
    try:
        again = decide(decision.evidence, then.gate, then.policy, stage=decision.stage)
    except ValueError as error:
        return [*found, f"it cannot be computed again: {error}"]
    before, after = decision.model_dump(mode="json", include=set(Decision.model_fields)), again.model_dump(mode="json")
    if to_json(before) != to_json(after):
        names = [name for name in after if before[name] != after[name]]
        found += [
            f"{name} is {shortened(before[name])}, computed again it is {shortened(after[name])}" for name in names
        ]
    return found


def _then(decision: Decision, sources: DecisionSources) -> DecisionInputs:
    """Return gate and policy as they were when the decision was taken, as far as the gate of now tells."""
    gate = sources.gate
    if isinstance(decision, DecisionAnswer) and decision.taken_at is not None:
        gate = without_later_waivers(gate, decision.taken_at)
    return DecisionInputs(gate=gate, policy=sources.policy)


def _of_known(known: DecisionInputs, then: DecisionInputs) -> Iterator[str]:
    if known.policy != then.policy:
        yield "the policy that it knew is not the experiment's"
    before, now = _checks(known.gate), _checks(then.gate)
    for key in sorted(before.keys() | now.keys(), key=str):
        if before.get(key) != now.get(key):
            yield f"the gate's check {key[0]} is not as it knew it"


def _checks(gate: GateReport) -> dict[tuple[str, int | None], GateCheck]:
    """Return the checks by name and cell, without the intervals, which each decision's evidence makes finer."""
    return {(check.name, check.cell): check.model_copy(update={"interval": None}) for check in gate.checks}


def _of_evidence(decision: Decision, results: list[RunResult]) -> Iterator[str]:
    evidence = decision.evidence
    if evidence is None:
        return
    digest = sha256_of_json(evidence.model_dump(mode="json"))
    if digest != decision.evidence_hash:
        yield f"its evidence has the hash {digest}, and the decision records {decision.evidence_hash}"
    if not any(result.evidence == evidence for result in results):
        yield "its evidence is that of no finished run of cell 54"
    yield from _of_inputs(evidence, _predictions(results))


def _of_inputs(evidence: Evidence, stored: Mapping[str, str]) -> Iterator[str]:
    for name, digest in evidence.inputs.items():
        if stored.get(name) != digest:
            yield f"the predictions {name} had the hash {digest}, and their run records {stored.get(name, 'nothing')}"


def _predictions(results: list[RunResult]) -> dict[str, str]:
    """Return the hash of every predictions file by the name that evidence gives it."""
    return {
        f"{OPTION_OF_CELL[result.cell]}/{result.seed}/{PurePosixPath(path).stem}": digest
        for result in results
        if result.cell in OPTION_OF_CELL
        for path, digest in result.artifacts.items()
        if path.startswith(f"{PREDICTIONS_FOLDER}/")
    }
