"""What a bundle is made of, from the request and the decision. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cellgate.contract.decision import DecisionAnswer, Overruling
from cellgate.contract.specs import BundleKind
from service.domain.errors import Conflict, InvalidSpec, Mistake
from service.domain.pipeline import Step

Single = Literal["transformer", "gnn"]
STEP_OF: Mapping[Single, Step] = {"transformer": Step.TRANSFORMER, "gnn": Step.GNN}


@dataclass(frozen=True, kw_only=True)
class Packing:
    """What to pack.

    Args:
        steps: Those whose runs go into it.
        text_weight: Of the text model in an ensemble; None: tuned on the fuse split, or no ensemble.
        seeds: Empty: all that every step has finished.
    """

    kind: BundleKind
    steps: Sequence[Step]
    text_weight: float | None = None
    seeds: Sequence[int] = ()


def requested_packing(kind: BundleKind, option: Single | None, text_weight: float | None) -> Packing:
    """Return the models to pack for a request that names them.

    Args:
        kind: `single`, `ensemble` or `fusion`.
        option: The one model of a `single`; None for the other kinds.
        text_weight: Weight of the text model in an ensemble, 0 to 1; None: tuned on the fuse split.

    Raises:
        InvalidSpec: A single model without its name, or what does not belong to the kind; all mistakes are listed.
    """
    mistakes = []
    if (kind == "single") != (option is not None):
        detail = "single needs an option, transformer or gnn; the other kinds take none"
        mistakes.append(Mistake(pointer="/option", detail=detail))
    if kind != "ensemble" and text_weight is not None:
        detail = f"a {kind} has no weights: leave it out, or request an ensemble"
        mistakes.append(Mistake(pointer="/text_weight", detail=detail))
    if mistakes:
        raise InvalidSpec("there is no such bundle", mistakes=mistakes)
    if option is not None:
        return Packing(kind=kind, steps=[STEP_OF[option]])
    bases = [Step.TRANSFORMER, Step.GNN]
    return Packing(kind=kind, steps=[*bases, Step.FUSION] if kind == "fusion" else bases, text_weight=text_weight)


def decided_packing(decision: DecisionAnswer | None, *, text_weight: float) -> Packing:
    """Return the models to pack by the last decision; an overruling of it counts.

    Args:
        text_weight: Of the text model in the fixed ensemble.

    Raises:
        Conflict: Nothing was decided, or nothing that could be shipped.
    """
    if decision is None:
        raise Conflict("no decision has been taken yet: wait for it, or name a kind")
    if not decision.overrulings:
        return replace(_shipped(decision, text_weight), seeds=tuple(decision.seeds))
    return _shipped(decision.overrulings[-1], text_weight)


def _shipped(last: DecisionAnswer | Overruling, text_weight: float) -> Packing:
    match last.outcome, last.option:
        case "ensemble", "ensemble_tuned":
            return requested_packing("ensemble", None, None)
        case "ensemble", _:
            return requested_packing("ensemble", None, text_weight)
        case "single", ("transformer" | "gnn") as option:
            return requested_packing("single", option, None)
        case "fusion", _:
            return requested_packing("fusion", None, None)
    raise Conflict(f"the decision is {last.outcome}: there is nothing to ship; name a kind to pack it all the same")
