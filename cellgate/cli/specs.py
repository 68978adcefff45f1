"""`cellgate spec`: a file to start from, and the spec of an experiment that is there."""

import json
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from cellgate.cli.connection import ExperimentArgument, client_of
from cellgate.contract.api.experiments import ExperimentCreate
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.suggestions import models_in
from cellgate.contract.visible import visible

app = typer.Typer()
spec_app = typer.Typer(no_args_is_help=True, help="Write a spec to start from, or that of an experiment.")
app.add_typer(spec_app, name="spec")
HEAD = """\
# An experiment. A line behind # has the default; to change it, take its # away, and those of the lines it stands under.
# `cellgate submit FILE --dry-run` says what is wrong with it, and what it will take."""
WIDTH = 100
STARTS = {"name": "my-experiment", "dataset": "functions"}


@spec_app.command()
def init(
    name: Annotated[str, typer.Option(help="Name of the experiment.")] = STARTS["name"],
    dataset: Annotated[str, typer.Option(help="Id or name of its data set.")] = STARTS["dataset"],
) -> None:
    """Print an experiment's spec with every field, its default and its meaning, to start from."""
    given = {"name": name, "dataset": dataset}
    print("\n".join([HEAD, *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in given.items())]))
    for line in _fields(ExperimentCreate, None, indent="", left_out=frozenset(given)):
        print(line)


@spec_app.command()
def show(context: typer.Context, experiment: ExperimentArgument) -> None:
    """Print an experiment's spec as YAML, without defaults: to change it and submit it again."""
    with client_of(context) as client:
        found = client.experiment(client.find(experiment, "experiments").id)
    spec = ExperimentSpec.model_validate(found.spec).model_dump(mode="json", exclude_defaults=True)
    labels = {"labels": found.labels} if found.labels else {}
    whole = {"name": found.name, "dataset": found.dataset, **labels, "seeds": found.seeds, **spec}
    print(visible(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, default_flow_style=None)), end="")


def _fields(
    model: type[BaseModel], values: BaseModel | None, *, indent: str, left_out: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield the lines of a model's fields: the meaning of each, and its default behind a #."""
    for name, field in model.model_fields.items():
        # The cell follows from the place in the spec.
        if name in left_out or name == "cell":
            continue
        if field.description:
            yield from textwrap.wrap(
                field.description, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
            )
        value = getattr(values, name) if values is not None else field.get_default(call_default_factory=True)
        for inner in models_in(field.annotation) if value is None else ():
            yield f"{indent}# Its fields: {', '.join(inner.model_fields)}."
        if isinstance(value, BaseModel):
            yield f"{indent}#{name}:"
            yield from _fields(type(value), value, indent=f"{indent}  ")
        elif value is PydanticUndefined:
            yield f"{indent}#{name}:"
        else:
            yield f"{indent}#{name}: {_flow(value)}"


def _flow(value: Any) -> str:
    return json.dumps(to_jsonable_python(value), ensure_ascii=False)
