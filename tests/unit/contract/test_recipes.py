"""Defaults of cell 51 by kind of training: filled in once, kept for good, seen before a run."""

import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cellgate.contract.configs import LearningRate, TransformerConfig, TransformerModel, TransformerTraining
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.recipes import PLACES, RECIPES, Recipe, TrainingKind, settings_of
from cellgate.contract.results import ResolvedRecipe
from cellgate.contract.specs import TransformerSpec

MODELS: dict[TrainingKind, dict[str, Any]] = {
    TrainingKind.SCRATCH: {},
    TrainingKind.FULL: {"checkpoint": "org/encoder"},
    TrainingKind.LORA: {"checkpoint": "org/encoder", "lora": {}},
    TrainingKind.FROZEN: {"checkpoint": "org/encoder", "freeze": "body"},
}
EVERY_KIND = pytest.mark.parametrize("kind", TrainingKind)
DOCUMENT = Path(__file__).parents[3] / "docs" / "transformer.md"


def by_name(config: TransformerConfig) -> dict[str, float]:
    return {path.rpartition(".")[2]: value for path, value in settings_of(config).items()}


@EVERY_KIND
def test_what_is_left_out_is_that_of_the_kind(kind: TrainingKind) -> None:
    config = TransformerConfig.model_validate({"model": MODELS[kind]})

    assert config.kind is kind
    assert by_name(config) == asdict(RECIPES[kind])


@EVERY_KIND
def test_every_kinds_default_rate_is_within_its_range(kind: TrainingKind) -> None:
    recipe = RECIPES[kind]

    assert recipe.finder_min < recipe.fallback < recipe.finder_max


def test_a_field_that_is_set_keeps_its_value_and_all_else_is_filled_in() -> None:
    training = {"epochs": 3, "learning_rate": {"finder_max": 3e-5}}

    config = TransformerConfig.model_validate({"model": {"checkpoint": "org/encoder"}, "training": training})

    assert by_name(config) == asdict(RECIPES[TrainingKind.FULL]) | {"epochs": 3, "finder_max": 3e-5}


def test_models_made_in_python_are_filled_in_like_documents() -> None:
    config = TransformerConfig(
        model=TransformerModel(checkpoint="org/encoder", max_tokens=128),
        training=TransformerTraining(learning_rate=LearningRate(value=3e-5)),
    )

    assert config.training.learning_rate.value == 3e-5
    assert by_name(config) == asdict(RECIPES[TrainingKind.FULL]) | {"max_tokens": 128}


def test_the_classes_defaults_are_those_of_training_from_scratch() -> None:
    assert set(PLACES) == {field.name for field in fields(Recipe)}
    assert by_name(TransformerConfig.model_construct()) == asdict(RECIPES[TrainingKind.SCRATCH])


@EVERY_KIND
def test_a_stored_spec_means_the_same_after_the_defaults_have_changed(
    kind: TrainingKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = ExperimentSpec.model_validate({"transformer": {"model": MODELS[kind]}})
    stored = accepted.model_dump(mode="json")
    other = Recipe(**{name: value / 2 for name, value in asdict(RECIPES[kind]).items()})
    monkeypatch.setattr("cellgate.contract.recipes.RECIPES", dict.fromkeys(TrainingKind, other))

    assert ExperimentSpec.model_validate(stored) == accepted
    process = TransformerSpec.model_validate({**stored["transformer"], "dataset": "d"})
    assert (process.model, process.training) == (accepted.transformer.model, accepted.transformer.training)


def test_a_run_spec_made_of_an_accepted_config_is_that_config() -> None:
    config = TransformerConfig.model_validate({"model": MODELS[TrainingKind.LORA], "training": {"batch_size": 8}})

    spec = TransformerSpec(dataset=Path("d"), model=config.model, training=config.training)

    assert settings_of(spec) == settings_of(config)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"model": 3}, ("model",)),
        ({"model": None}, ("model",)),
        ({"model": {"checkpoint": 3}}, ("model", "checkpoint")),
        ({"training": []}, ("training",)),
        ({"training": {"learning_rate": 1e-5}}, ("training", "learning_rate")),
        ({"model": {"freeze": "body"}}, ("model", "freeze")),
        ({"model": {"checkpoint": "x/y", "lora": {}, "freeze": "body"}}, ("model", "freeze")),
        ([], ()),
    ],
)
def test_a_mistake_is_reported_at_its_place_as_without_recipes(given: Any, place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        TransformerConfig.model_validate(given)

    assert [error["loc"] for error in refused.value.errors()] == [place]


def test_a_range_whose_end_is_below_the_kinds_begin_is_refused_with_both() -> None:
    training = {"learning_rate": {"finder_max": 1e-6}}

    with pytest.raises(ValidationError, match=r"finder_min \(5e-06\) must be below finder_max \(1e-06\)"):
        TransformerConfig.model_validate({"model": {"checkpoint": "x/y"}, "training": training})


def test_the_resolved_values_are_shown_as_a_check_that_passes() -> None:
    check = ResolvedRecipe.of(TransformerConfig.model_validate({"model": MODELS[TrainingKind.FULL]})).check()

    assert (check.name, check.verdict) == ("transformer_recipe", "pass")
    assert "kind full: training.learning_rate.fallback 2e-05" in check.detail
    assert "model.max_tokens 512" in check.detail


@EVERY_KIND
def test_the_documented_table_has_every_kinds_values(kind: TrainingKind) -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in DOCUMENT.read_text().splitlines() if "|" in line
    ]
    [header] = [row for row in rows if row[1:] == [f"`{name}`" for name in TrainingKind]]
    table = {row[0].strip("`"): row[1 + list(TrainingKind).index(kind)] for row in rows if len(row) == len(header)}

    for name, value in asdict(RECIPES[kind]).items():
        assert [float(found) for found in re.findall(r"[\d.e-]+", table[name])] == [value], name
