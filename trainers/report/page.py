"""Cell 54's report as one HTML file: no script, nothing to load, light and dark, to send around."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from cellgate.contract.options import OPTION_NAMES, Option
from cellgate.contract.report import OptionReport, SeedReport
from cellgate.contract.text import BASELINE_NAMES, count, p_value, percent, score, signed
from cellgate.contract.visible import visible
from trainers.report import charts

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = "templates"


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """One check of the gate, in words."""

    title: str
    verdict: Literal["pending", "pass", "fail", "warn", "waived"]
    warns_only: bool
    measured: str
    threshold: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class DecisionSection:
    """One decision, in words.

    Args:
        overrulings: What people put beside it.
    """

    title: str
    headline: str
    confidence: Literal["clear", "borderline"]
    rule: str
    reasons: Sequence[str]
    next_steps: Sequence[str]
    overrulings: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of an experiment, to stand above its evidence.

    Args:
        gate_verdict: pending, pass or fail.
        answers: The last decision first.
        chosen: What is shipped, if anything.
        marks: Thresholds of F1 by name, to be drawn beside the options.
        outcome: What came of it in words; None until it has ended.
        reused: A line for each run whose result is that of an equal one.
    """

    experiment: str
    name: str
    gate_verdict: Literal["pending", "pass", "fail"]
    gate_summary: str
    checks: Sequence[CheckLine]
    answers: Sequence[DecisionSection]
    chosen: Option | None
    marks: Sequence[tuple[str, float]]
    outcome: str | None = None
    reused: Sequence[str] = ()


def render(report: SeedReport, judged: Judged | None = None) -> str:
    """Return the page.

    Args:
        judged: Without it the page has the evidence alone.
    """
    marks = [] if judged is None else list(judged.marks)
    evidence = report.evidence
    return _template().render(
        report=report,
        evidence=evidence,
        judged=judged,
        chosen=None if judged is None else judged.chosen,
        style=Markup(_style()),
        frame=charts.FRAME,
        whiskers=charts.whiskers(evidence.options, marks),
        curves={one.option: charts.curves(one) for one in report.options},
        risk_by_coverage={
            one.option: charts.risk_by_coverage(one.abstention.curve) for one in evidence.options if one.abstention
        },
        reliability={one.option: charts.reliability(one.reliability) for one in report.options},
        confusion={one.option: _mean_confusion(one) for one in report.options},
        bases=next((pair for pair in report.overlaps if {pair.first, pair.second} == {"transformer", "gnn"}), None),
        seeds=max((option.seeds for option in evidence.options), key=len),
    )


def style_hash() -> str:
    """Return the source expression that lets a content security policy pass the page's one style sheet.

    Source:
        W3C Content Security Policy Level 3, section 8.3.
    """
    digest = hashlib.sha256(_style().encode()).digest()
    return f"'sha256-{b64encode(digest).decode()}'"


def _mean_confusion(option: OptionReport) -> dict[str, float]:
    names = ("true_positives", "false_negatives", "false_positives", "true_negatives")
    return {name: sum(getattr(one.gate, name) for one in option.seeds) / len(option.seeds) for name in names}


@cache
def _template() -> "Template":
    # The API imports this module for its values, and makes a page now and then.
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": score,
        "signed": signed,
        "percent": percent,
        "count": count,
        "p_value": p_value,
        "option_name": OPTION_NAMES.__getitem__,
        "baseline_name": BASELINE_NAMES.__getitem__,
    }
    return environment.get_template("report.html.j2")


def _shown(value: Any) -> Any:
    """Return what an expression of the template puts into the page; markup is the template's own."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> str:
    return _source("style.css")


def _source(name: str) -> str:
    return files("trainers.report").joinpath(TEMPLATES, name).read_text(encoding="utf-8")
