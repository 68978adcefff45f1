"""`--set` and `--label`: fields of a spec from the command line; and the spec that one starts from."""

import re
from typing import Any

import pytest
from typer.testing import CliRunner

from cellgate.cli.spec_settings import labels_of, set_fields
from cellgate.cli.specs import spec_app
from cellgate.cli.yaml_values import yaml_value
from cellgate.contract.api.experiments import ExperimentCreate
from cellgate.contract.exit_codes import UsageError

DATASET = f"ds_{'A' * 26}"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("seeds=[0, 1]", {"seeds": [0, 1]}),
        ("policy.gate_f1=0.9", {"policy": {"gate_f1": 0.9, "trials": 3}}),
        ("policy.fusion=never", {"policy": {"fusion": "never", "trials": 3}}),
        ("fresh=true", {"fresh": True}),
        ("budget=null", {"budget": None}),
        ("name=a=b", {"name": "a=b"}),
        ("transformer.model.checkpoint=", {"transformer": {"model": {"checkpoint": None}}}),
    ],
)
def test_a_setting_has_the_type_that_yaml_gives_it_and_leaves_its_neighbours(
    setting: str, expected: dict[str, Any]
) -> None:
    body: dict[str, Any] = {"policy": {"trials": 3}}
    set_fields(body, [setting])
    assert body == {"policy": {"trials": 3}, **expected}


def test_a_cell_alone_has_its_own_fields() -> None:
    body: dict[str, Any] = {"cell": 51}
    set_fields(body, ["training.epochs=3", "training.epochs=4"])
    assert body == {"cell": 51, "training": {"epochs": 4}}


def test_all_mistakes_are_told_at_once_and_nothing_is_set() -> None:
    body: dict[str, Any] = {}
    wrong = ["fresh=true", "transfomer.x=1", "policy.gate_f=1", "seeds", "fresh.x=1", "name=2026-01-01", "a..b=1", "=1"]

    with pytest.raises(UsageError) as refused:
        set_fields(body, wrong)

    told = str(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in told] == [f"--set {setting}" for setting in wrong[1:]]
    assert "did you mean `transformer`?" in told[0]
    assert "did you mean `gate_f1`?" in told[1]
    assert "a date" in told[4]
    assert body == {}


def test_labels_are_told_apart_from_what_is_none() -> None:
    assert labels_of(["team=core", "old="], removable=True) == {"team": "core", "old": ""}
    with pytest.raises(UsageError, match=r"found --label x, .*\n.*found --label old=, "):
        labels_of(["x", "old=", "a=b"])


def test_a_spec_to_start_from_is_valid_and_with_every_line_uncommented_it_is_the_defaults() -> None:
    text = CliRunner().invoke(spec_app, ["init", "--name", "first", "--dataset", DATASET]).output

    short = yaml_value(text)
    whole = yaml_value(re.sub(r"^( *)#(?! )", r"\1", text, flags=re.MULTILINE))

    assert short == {"name": "first", "dataset": DATASET}
    assert ExperimentCreate.model_validate(whole) == ExperimentCreate.model_validate(short)
    assert set(whole) == set(ExperimentCreate.model_fields)
