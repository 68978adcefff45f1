"""Where the code keeps each kind of thing that the reference documents: the one place that imports them."""

import ast
import inspect
import pkgutil
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import cellgate.contract
import service.app
import service.domain
import worker.__main__
import worker.health
from service.api.problems import HTTP_CODES, status_of
from service.domain.errors import ServiceError
from service.settings import Settings
from tests.unit.docs.pages import REPOSITORY


@cache
def _defined() -> dict[str, Any]:
    """Return what the modules of contract and rules define, by name: a move between them changes nothing here."""
    packages = (service.domain, cellgate.contract)
    modules = [
        module.name
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    return {name: value for module in modules for name, value in vars(import_module(module)).items()}


def _models(*names: str) -> tuple[type[BaseModel], ...]:
    return tuple(_defined()[name] for name in names)


def _members(union: str) -> tuple[type[BaseModel], ...]:
    """Return the models of a union."""
    return tuple(kind for kind in _flat(_defined()[union]) if inspect.isclass(kind) and issubclass(kind, BaseModel))


def _flat(annotation: Any) -> list[Any]:
    """Return the parts of a type, unions and containers taken apart, literals whole."""
    if get_origin(annotation) is Literal or not get_args(annotation):
        return [annotation]
    return [kind for argument in get_args(annotation) for kind in _flat(argument)]


def _values(name: str) -> set[str]:
    """Return the values of an enumeration or literal of contract or rules, as text."""
    found = _defined()[name]
    return names(found) if inspect.isclass(found) else {str(value) for value in get_args(found)}


def names(kind: type[Enum]) -> set[str]:
    """Return the values of an enumeration as text."""
    return {str(member.value) for member in kind}


# Sections of spec.md, and the classes whose fields each lists; a field of several classes has one row.
SPEC_SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "Experiment": _models("ExperimentSpec"),
    "Requests": (*_models("ExperimentCreate", "DatasetCreate", "InspectionCreate"), *_members("JobCreate")),
    "Limits of every experiment and job": _models("RunLimits"),
    "Budget": _models("Budget"),
    "More seeds": _models("MoreSeeds"),
    "Policy": _models("Policy"),
    "Training": _models("TransformerTraining", "GnnTraining", "FusionTraining"),
    "Learning rate": _models("LearningRate", "GnnLearningRate", "FusionLearningRate"),
    "Cell 51: model": _models("TransformerModel"),
    "Cell 51: LoRA": _models("Lora"),
    "Cell 52: model": _models("GnnModel"),
    "Cell 53: model": _models("FusionModel"),
    "Cell 54: evidence": _models("AggregationConfig"),
    "Data set": _models("PrepareConfig"),
    "Data set: field names": _models("FieldNames"),
    "Data set: words for labels": _models("LabelWords"),
    "Data set: shares of the splits": _models("SplitFractions"),
    "Trainer process": _models("TransformerSpec", "GnnSpec", "FusionSpec", "AggregationSpec"),
    "Trainer process: run output": _models("RunOutput"),
    "Trainer process: prepare": _models("SourceSpec", "InspectSpec", "PrepareSpec"),
    "Trainer process: previous version": _models("PreviousVersion"),
    "Trainer process: preflight": _models("PreflightSpec"),
    "Trainer process: pack": _models("PackSpec"),
    "Trainer process: score": _models("ScoreSpec"),
    "Trainer process: evaluate": _models("EvaluateSpec"),
}
# Their fields are listed with the classes that inherit them or hold them.
WITHOUT_SECTION = _models(
    "Spec", "TrainingConfig", "TransformerConfig", "GnnConfig", "FusionConfig", "ProcessSpec", "RunSpec"
)
# Fields of these have sections of their own, wherever they are inherited.
_LISTED_ELSEWHERE = _models(
    "ExperimentSpec", "RunLimits", "PrepareConfig", "AggregationConfig", "ProcessSpec", "RunSpec"
)
# One section lists the fields that every process has.
_LISTS_PROCESS_FIELDS = SPEC_SECTIONS["Trainer process"]
# `cell`, `model` and `training` are explained once, at the top of the page.
ENVELOPE = frozenset({"cell", "model", "training"})


def setting_names() -> dict[str, FieldInfo]:
    """Return every setting by the name of its environment variable."""
    prefix = Settings.model_config["env_prefix"]
    return {
        str(field.validation_alias or prefix + name.upper()): field for name, field in Settings.model_fields.items()
    }


def spec_fields(section: str) -> dict[str, list[FieldInfo]]:
    """Return the fields that a section of spec.md lists, each as every class of the section declares it."""
    found: dict[str, list[FieldInfo]] = {}
    for model in SPEC_SECTIONS[section]:
        for name, field in _own_fields(model).items():
            found.setdefault(name, []).append(field)
    return found


def spec_classes() -> set[type[BaseModel]]:
    """Return every class of the contract that describes a spec or a part of one, requests apart."""
    found = [value for value in _defined().values() if inspect.isclass(value)]
    return {value for value in found if issubclass(value, _defined()["Spec"]) and ".api" not in value.__module__}


def _own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields that no other section lists."""
    process = _models("ProcessSpec", "RunSpec") if model in _LISTS_PROCESS_FIELDS else ()
    inherited = [other for other in _LISTED_ELSEWHERE if issubclass(model, other) and other not in (model, *process)]
    listed = ENVELOPE.union(*(other.model_fields for other in inherited))
    return {name: field for name, field in model.model_fields.items() if name not in listed}


def default_text(field: FieldInfo) -> str | None:
    """Return a default as JSON shows it; None where the field is a part with a section of its own."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return None if isinstance(value, BaseModel) else _as_json(value)


def _as_json(value: Any) -> str:
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case Enum():
            return str(value.value)
        case Path():
            return str(value)
        case float():
            return f"{value:g}"
        case list() | tuple():
            return f"[{', '.join(_as_json(item) for item in value)}]"
        case dict():
            return "{}" if not value else str(value)
    return str(value)


def choices(field: FieldInfo) -> list[str]:
    """Return the values that a field may have, where it is a choice."""
    return [
        str(value.value if isinstance(value, Enum) else value)
        for kind in _flat(field.annotation)
        for value in (
            get_args(kind)
            if get_origin(kind) is Literal
            else list(kind)
            if inspect.isclass(kind) and issubclass(kind, Enum)
            else ()
        )
    ]


def bounds(field: FieldInfo) -> list[str]:
    """Return a number's limits, as `≥ 1` and `≤ 1000`."""
    signs = {"Ge": "≥", "Gt": ">", "Le": "≤", "Lt": "<"}
    found = [item for item in field.metadata if type(item).__name__ in signs]
    return [f"{signs[type(item).__name__]} {getattr(item, type(item).__name__.lower()):g}" for item in found]


class _SilentNotifier:
    """Stands for the broker: no route is called here."""

    def notify(self, run_id: str, queue: str) -> None:
        """Do nothing."""

    def problem(self) -> str | None:
        """Return that there is nobody."""
        return "it does not answer"


@cache
def routes() -> dict[str, str]:
    """Return every documented route as `METHOD /path`, with the scope it needs; `none` where it needs no token."""
    settings = Settings(data_dir=Path("var"), token="x" * 64)  # type: ignore[arg-type]
    document = service.app.create_app(settings, notifier=_SilentNotifier()).openapi()  # type: ignore[arg-type]
    return {
        f"{method.upper()} {path}": _scope(operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def _scope(operation: dict[str, Any]) -> str:
    return str(operation["security"][0]["token"][0]) if operation.get("security") else "none"


@cache
def error_codes() -> dict[str, int | None]:
    """Return every problem's code, with its status where the code alone tells it."""
    refusals = {kind.code: int(status_of(kind.__new__(kind))) for kind in _subclasses(ServiceError)}
    literal: dict[str, int | None] = dict.fromkeys(_literal_codes())
    return literal | {code: status for status, code in HTTP_CODES.items()} | refusals


def _subclasses(kind: type[ServiceError]) -> set[type[ServiceError]]:
    below = set(kind.__subclasses__())
    return below.union(*(_subclasses(one) for one in below))


def _literal_codes() -> set[str]:
    """Return the codes that the API's modules write beside the problem that they answer."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (REPOSITORY / "service" / "api").rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    values = [
        keyword.value
        for call in calls
        if _name(call.func) == "problem_response"
        for keyword in call.keywords
        if keyword.arg == "code"
    ]
    constants = [node.value for value in values for node in ast.walk(value) if isinstance(node, ast.Constant)]
    return {constant for constant in constants if isinstance(constant, str)}


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _constants(module: ModuleType) -> set[str]:
    """Return the whole numbers that a module names in capitals."""
    return {str(value) for name, value in vars(module).items() if name.isupper() and isinstance(value, int)}


# Page and heading of each list that has a name and nothing else to compare.
NAMED: dict[tuple[str, str], set[str]] = {
    ("states", "Runs"): _values("RunState"),
    ("states", "Jobs"): _values("JobState"),
    ("states", "Lifecycle of experiments and jobs"): _values("Lifecycle"),
    ("states", "Outcomes of an experiment"): _values("Outcome"),
    ("states", "Outcomes of a job"): _values("JobOutcome"),
    ("states", "Experiments"): _values("ExperimentState"),
    ("states", "Data sets"): _values("DatasetState"),
    ("states", "Bundles"): _values("BundleState"),
    ("states", "Deliveries of webhooks"): _values("DeliveryState"),
    ("states", "Why a run failed"): _values("FailureReason"),
    ("states", "Why a run waits"): _values("WaitingReason"),
    ("states", "Events of a trainer"): _values("EventKind"),
    ("states", "Events of a webhook"): _values("WebhookEvent"),
    ("gate", "Checks"): {check.name for check in _defined()["CHECKS"]},
    ("gate", "Verdicts of a check"): _values("GateCheckVerdict"),
    ("gate", "Outcomes of a decision"): _values("DecisionOutcome"),
    ("gate", "Options that a decision weighs"): _values("Option"),
    ("exit-codes", "Trainers"): _values("ExitCode"),
    ("exit-codes", "Worker and reconciler"): {"0"} | _constants(worker.__main__),
    ("exit-codes", "Health"): {"0"} | _constants(worker.health),
    ("exit-codes", "Command line"): _values("CommandExit"),
}


def gate_checks() -> dict[str, tuple[str, str]]:
    """Return title and kind of the gate's checks by name; `always` blocks, `on request` blocks if a policy names it."""
    return {check.name: (check.title, "always" if check.blocking else "on request") for check in _defined()["CHECKS"]}
