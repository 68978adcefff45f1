"""Learning rates that fall from layer to layer, what decays, and which layers are new."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSequenceClassification

from tests.tiny_checkpoints import make_checkpoint
from trainers.models.transformer.parameters import components, freeze_body, new_last_layers, parameter_groups

STACK = ["layer_1", "layer_0"]
TWO_STACKS = ["layer_3", "layer_2", "layer_1", "layer_0"]


def _model(kind: str, folder: Path) -> Any:
    return AutoModelForSequenceClassification.from_pretrained(make_checkpoint(kind, folder))


@pytest.mark.parametrize(
    ("kind", "layers"), [("bert", STACK), ("t5", TWO_STACKS), ("modernbert", STACK), ("gpt2", STACK)]
)
def test_each_layer_learns_at_a_share_of_the_rate_of_the_layer_above(
    kind: str, layers: list[str], tmp_path: Path
) -> None:
    model = _model(kind, tmp_path)

    groups = parameter_groups(model, layer_lr_decay=0.5)

    ratios = {group.name: group.lr_ratio for group in groups if group.weight_decay}
    expected = ["classifier", *layers, "embeddings"]
    assert list(ratios) == expected
    assert list(ratios.values()) == [0.5**depth for depth in range(len(expected))]
    of_groups = [id(p) for group in groups for p in group.parameters]
    assert sorted(of_groups) == sorted(id(p) for p in model.parameters())


def test_a_layers_matrices_decay_and_its_biases_and_norms_do_not_at_one_rate(tmp_path: Path) -> None:
    model = _model("bert", tmp_path)

    groups = {group.name: group for group in parameter_groups(model, layer_lr_decay=0.9)}

    layer = model.bert.encoder.layer[0]
    matrices, others = groups["layer_0"], groups["layer_0_no_decay"]
    assert (matrices.weight_decay, others.weight_decay) == (True, False)
    assert matrices.lr_ratio == others.lr_ratio == pytest.approx(0.9**2)
    assert [id(p) for p in matrices.parameters] == [id(p) for p in layer.parameters() if p.dim() == 2]
    assert [id(p) for p in others.parameters] == [id(p) for p in layer.parameters() if p.dim() == 1]


def test_without_a_decay_by_layer_there_are_two_groups_at_the_peak(tmp_path: Path) -> None:
    groups = parameter_groups(_model("bert", tmp_path), layer_lr_decay=1.0)

    assert [(group.name, group.lr_ratio, group.weight_decay) for group in groups] == [
        ("transformer", 1.0, True),
        ("transformer_no_decay", 1.0, False),
    ]


@pytest.mark.parametrize(("kind", "head"), [("bert", ("bert.pooler.", "classifier.")), ("roberta", ("classifier.",))])
def test_a_frozen_body_leaves_the_classifier_and_its_pooler_to_be_trained(
    kind: str, head: tuple[str, ...], tmp_path: Path
) -> None:
    model = _model(kind, tmp_path)

    freeze_body(model)

    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {name for name, _ in model.named_parameters() if name.startswith(head)} != set()
    of_groups = {id(p) for group in parameter_groups(model, layer_lr_decay=1.0) for p in group.parameters}
    assert of_groups == {id(p) for p in model.parameters() if p.requires_grad}


def test_only_what_is_trained_is_in_groups_and_components(tmp_path: Path) -> None:
    model = _model("bert", tmp_path)
    model.bert.embeddings.requires_grad_(False)

    names = {group.name for group in parameter_groups(model, layer_lr_decay=0.5)}
    sizes = {name: len(members) for name, members in components(model).items()}

    assert "embeddings" not in names
    assert sizes == {
        "embeddings": 0,
        "encoder": sum(p.requires_grad for p in model.bert.parameters()),
        "classifier": len(list(model.classifier.parameters())),
    }


def test_the_last_layer_is_found_where_it_is_new_and_not_where_it_has_learnt(tmp_path: Path) -> None:
    model = _model("bert", tmp_path)
    assert new_last_layers(model) == [model.classifier]

    model.classifier.bias.data.fill_(0.1)

    assert new_last_layers(model) == []
