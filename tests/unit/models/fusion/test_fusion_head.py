"""Every head adds to the ensemble, and starts by adding nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cellgate.contract.configs import FusionModel
from cellgate.contract.errors import DataError
from tests.fusion_batches import GRAPH_WIDTH, HEADS, TEXT_WIDTH, head_of, random_batch, trained_head
from trainers.models.fusion.heads import HEADS as REGISTRY
from trainers.models.fusion.model import FusionBatch
from trainers.models.fusion.saving import FusionInputs, load_fusion, save_fusion

TWO_SIDED = ["gated", "cross_attention"]
INPUTS = FusionInputs(
    text_width=TEXT_WIDTH,
    graph_width=GRAPH_WIDTH,
    text_temperature=1.5,
    graph_temperature=0.8,
    text_spec_hash="sha256:" + "1" * 64,
    graph_spec_hash="sha256:" + "2" * 64,
)


def test_the_registry_has_the_heads_that_a_spec_may_name() -> None:
    assert list(REGISTRY) == HEADS == FusionModel.model_json_schema()["properties"]["head"]["enum"]


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("modality_dropout", [0.0, 0.4])
def test_an_untrained_head_is_the_ensemble_to_the_last_bit(kind: str, training: bool, modality_dropout: float) -> None:
    head, batch = head_of(kind, modality_dropout=modality_dropout).train(training), random_batch(missing=(1, 4))

    logits_BC = head(batch).logits_BC

    assert torch.equal(logits_BC[:, 1] - logits_BC[:, 0], batch.ensemble_log_odds_B)


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_that_forgets_is_the_ensemble_again(kind: str) -> None:
    head, batch = trained_head(kind), random_batch()
    assert not torch.equal(head(batch).logits_BC[:, 1], batch.ensemble_log_odds_B)

    head.forget()

    assert torch.equal(head(batch).logits_BC[:, 1], batch.ensemble_log_odds_B)


@pytest.mark.parametrize("kind", HEADS)
def test_the_first_step_moves_the_correction_and_the_second_everything(kind: str) -> None:
    head, batch = head_of(kind), random_batch()
    label_B = torch.tensor([0, 1, 0, 1, 1, 0, 1])
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)

    def moved() -> set[str]:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(batch).logits_BC, label_B).backward()
        return {name for name, p in head.named_parameters() if p.grad is not None and float(p.grad.abs().sum()) > 0}

    first = moved()
    optimizer.step()
    second = moved()

    assert first == {"correction.weight", "correction.bias"}
    # Nothing is missing here.
    assert second == {name for name, _ in head.named_parameters() if not name.endswith(".missing")}


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("name", ["text_log_odds_B", "graph_log_odds_B"])
def test_a_trained_head_listens_to_each_verdict(kind: str, name: str) -> None:
    head, batch = trained_head(kind), random_batch()

    changed = replace(batch, **{name: getattr(batch, name).flip(0)})

    assert not torch.equal(head(changed).logits_BC, head(batch).logits_BC)


@pytest.mark.parametrize("name", ["text_BT", "graph_BG"])
@pytest.mark.parametrize(("kind", "listens"), [("gated", True), ("cross_attention", True), ("stacking", False)])
def test_all_heads_but_stacking_listen_to_each_embedding(kind: str, listens: bool, name: str) -> None:
    head, batch = trained_head(kind), random_batch()

    changed = replace(batch, **{name: getattr(batch, name).flip(0)})

    assert torch.equal(head(changed).logits_BC, head(batch).logits_BC) is not listens


@pytest.mark.parametrize("kind", HEADS)
def test_a_function_s_logits_do_not_depend_on_its_neighbours_in_the_batch(kind: str) -> None:
    head, batch = trained_head(kind), random_batch()

    alone = FusionBatch(**{name: tensor[2:3] for name, tensor in vars(batch).items()})

    torch.testing.assert_close(head(alone).logits_BC[0], head(batch).logits_BC[2])


def test_cross_attention_takes_a_width_that_no_number_of_attention_heads_divides() -> None:
    head = head_of("cross_attention", width=13)

    assert head(random_batch()).embedding_BD.shape == (7, 13)


def test_stacking_turns_over_when_the_two_verdicts_change_places() -> None:
    """With weights by hand: hidden = gelu(difference), so that only who says more decides."""
    head, batch = head_of("stacking", width=8), random_batch()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.get_submodule("join").weight[0, 3] = 1.0
        head.correction.weight[0, 0] = 2.0

    logits_BC = head.eval()(batch).logits_BC

    difference_B = torch.tanh(batch.text_log_odds_B / 4) - torch.tanh(batch.graph_log_odds_B / 4)
    expected_B = batch.ensemble_log_odds_B + 2 * torch.nn.functional.gelu(difference_B)
    torch.testing.assert_close(logits_BC[:, 1], expected_B)


@pytest.mark.parametrize("kind", TWO_SIDED)
def test_each_side_s_parameters_are_its_model_s_component_and_the_rest_is_the_head(kind: str) -> None:
    head = head_of(kind, modality_dropout=0.1)
    head.learn_missing(graphs_missing=False)

    components = head.components

    names = {id(parameter): name for name, parameter in head.named_parameters()}
    of = {name: {names[id(p)] for p in members} for name, members in components.items()}
    assert list(of) == ["transformer", "gnn", "head"]
    assert of["transformer"] == {name for name in names.values() if name.startswith("text.")}
    assert of["gnn"] == {name for name in names.values() if name.startswith("graph.")}
    assert sum(map(len, of.values())) == len(names)


def test_stacking_has_no_component_that_could_get_no_gradient() -> None:
    assert list(head_of("stacking").components) == ["head"]


@pytest.mark.parametrize("kind", HEADS)
def test_a_saved_head_gives_the_same_logits_when_loaded(kind: str, tmp_path: Path) -> None:
    head, batch = trained_head(kind), random_batch(missing=(0, 3))
    config = FusionModel.model_validate({"head": kind, "width": 8, "slots": 3, "dropout": 0.0})

    save_fusion(tmp_path, head, config=config, inputs=INPUTS)
    saved = load_fusion(tmp_path)

    assert torch.equal(saved.head(batch).logits_BC, head(batch).logits_BC)
    assert (saved.config, saved.inputs, saved.bases) == (config, INPUTS, {})


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_head_is_refused_with_its_folder_s_name(tmp_path: Path, name: str) -> None:
    save_fusion(tmp_path, head_of("gated"), config=FusionModel(width=8), inputs=INPUTS)
    (tmp_path / name).write_bytes(b"{}")

    with pytest.raises(DataError, match=str(tmp_path)):
        load_fusion(tmp_path)
