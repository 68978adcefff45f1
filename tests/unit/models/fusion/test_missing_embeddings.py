"""What a head does without an embedding: in training by chance, for a function that did not parse always."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.fusion_batches import head_of, random_batch, trained_head
from trainers.models.fusion.model import FusionHead

TWO_SIDED = ["gated", "cross_attention"]
MANY = 20_000


def hidden_places(head: FusionHead, functions: int, *, missing: tuple[int, ...] = ()) -> dict[str, Tensor]:
    """Functions whose embedding each side hides in one forward pass, bool."""
    seen: dict[str, Tensor] = {}
    for name, side in head.sides.items():
        side.register_forward_hook(lambda _side, inputs, _output, name=name: seen.__setitem__(name, inputs[1]))
    head(random_batch(functions, missing=missing))
    return seen


@pytest.mark.parametrize("kind", TWO_SIDED)
def test_training_hides_each_embedding_with_the_configured_chance_and_never_both(kind: str) -> None:
    torch.manual_seed(1)
    hidden = hidden_places(head_of(kind, modality_dropout=0.3).train(), MANY)

    for name in ("transformer", "gnn"):
        # Four standard deviations of a share of 20,000 draws.
        assert hidden[name].double().mean().item() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / MANY) ** 0.5)
    assert not (hidden["transformer"] & hidden["gnn"]).any()


@pytest.mark.parametrize("kind", TWO_SIDED)
def test_a_function_without_a_graph_never_loses_its_text_too(kind: str) -> None:
    missing = tuple(range(0, MANY, 2))
    hidden = hidden_places(head_of(kind, modality_dropout=0.45).train(), MANY, missing=missing)

    assert hidden["gnn"][list(missing)].all()
    assert not hidden["transformer"][list(missing)].any()
    assert hidden["transformer"].any()


@pytest.mark.parametrize("kind", TWO_SIDED)
def test_evaluation_hides_the_graphs_that_are_missing_and_nothing_else(kind: str) -> None:
    hidden = hidden_places(head_of(kind, modality_dropout=0.45).eval(), 7, missing=(1, 4))

    assert hidden["transformer"].tolist() == [False] * 7
    assert hidden["gnn"].tolist() == [place in (1, 4) for place in range(7)]


def test_the_same_generator_state_hides_the_same_embeddings() -> None:
    head = head_of("gated", modality_dropout=0.3).train()
    state = torch.get_rng_state()
    first = hidden_places(head, 100)

    torch.set_rng_state(state)
    again = hidden_places(head, 100)

    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("training", [True, False])
def test_without_modality_dropout_the_random_generator_stays_where_it_was(training: bool) -> None:
    head = head_of("gated").train(training)
    before = torch.get_rng_state()

    head(random_batch(missing=(2,)))

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", TWO_SIDED)
def test_a_missing_graph_s_embedding_reaches_no_logit(kind: str) -> None:
    head, batch = trained_head(kind), random_batch(missing=(2,))
    other = replace(batch, graph_BG=batch.graph_BG + torch.eye(7)[2][:, None] * 100)

    assert torch.equal(head(other).logits_BC, head(batch).logits_BC)
    present = replace(batch, graph_missing_B=torch.zeros(7, dtype=torch.bool))
    assert not torch.equal(head(present).logits_BC[2], head(batch).logits_BC[2])


@pytest.mark.parametrize("kind", TWO_SIDED)
def test_the_vector_for_a_missing_graph_learns_from_the_functions_without_one(kind: str) -> None:
    head, batch = trained_head(kind), random_batch(missing=(2,))
    head.learn_missing(graphs_missing=True)

    head(batch).logits_BC[:, 1].square().sum().backward()

    text, graph = head.sides["transformer"].missing, head.sides["gnn"].missing
    assert graph.grad is not None
    assert float(graph.grad.abs().sum()) > 0
    assert text.grad is None


@pytest.mark.parametrize(
    ("modality_dropout", "graphs_missing", "learning"),
    [(0.0, False, set()), (0.0, True, {"gnn"}), (0.1, False, {"transformer", "gnn"})],
)
def test_only_vectors_that_training_uses_learn(
    modality_dropout: float, graphs_missing: bool, learning: set[str]
) -> None:
    head = head_of("gated", modality_dropout=modality_dropout)

    head.learn_missing(graphs_missing=graphs_missing)

    assert {name for name, side in head.sides.items() if side.missing.requires_grad} == learning
    in_groups = {id(parameter) for members in head.components.values() for parameter in members}
    assert {name for name, side in head.sides.items() if id(side.missing) in in_groups} == learning
