"""The head adds to the ensemble, and starts by adding nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainers.errors import DataError
from trainers.fusion.model import FusionBatch, FusionHead
from trainers.fusion.saving import FusionInputs, load_fusion, save_fusion
from trainers.specs import FusionModel

INPUTS = FusionInputs(
    text_width=6,
    graph_width=5,
    text_temperature=1.5,
    graph_temperature=0.8,
    text_spec_hash="sha256:" + "1" * 64,
    graph_spec_hash="sha256:" + "2" * 64,
)


def head_of(width: int = 8) -> FusionHead:
    torch.manual_seed(0)
    return FusionHead(FusionModel(width=width, dropout=0.0), text_width=6, graph_width=5)


def random_batch(functions: int = 7) -> FusionBatch:
    generator = torch.Generator().manual_seed(0)
    return FusionBatch(
        text_BT=torch.randn(functions, 6, generator=generator),
        graph_BG=torch.randn(functions, 5, generator=generator),
        text_log_odds_B=torch.randn(functions, generator=generator) * 3,
        graph_log_odds_B=torch.randn(functions, generator=generator) * 3,
        ensemble_log_odds_B=torch.randn(functions, generator=generator) * 3,
    )


def trained_head() -> FusionHead:
    """A head whose correction is no longer zero."""
    head = head_of()
    with torch.no_grad():
        head.correction.weight.fill_(0.5)
    return head.eval()


@pytest.mark.parametrize("training", [True, False])
def test_an_untrained_head_is_the_ensemble_to_the_last_bit(training: bool) -> None:
    head, batch = head_of().train(training), random_batch()

    logits_BC = head(batch).logits_BC

    assert torch.equal(logits_BC[:, 1] - logits_BC[:, 0], batch.ensemble_log_odds_B)


def test_a_head_that_forgets_is_the_ensemble_again() -> None:
    head, batch = trained_head(), random_batch()
    assert not torch.equal(head(batch).logits_BC[:, 1], batch.ensemble_log_odds_B)

    head.forget()

    assert torch.equal(head(batch).logits_BC[:, 1], batch.ensemble_log_odds_B)


def test_the_first_step_moves_the_correction_and_the_second_both_projections() -> None:
    head, batch = head_of(), random_batch()
    label_B = torch.tensor([0, 1, 0, 1, 1, 0, 1])
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)

    def gradients() -> dict[str, float]:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(batch).logits_BC, label_B).backward()
        parts = {"text": head.text, "graph": head.graph, "correction": head.correction}
        return {
            name: sum(float(p.grad.abs().sum()) for p in part.parameters() if p.grad is not None)
            for name, part in parts.items()
        }

    first = gradients()
    optimizer.step()
    second = gradients()

    assert first["correction"] > 0
    assert first["text"] == first["graph"] == 0
    assert second["text"] > 0
    assert second["graph"] > 0


@pytest.mark.parametrize("name", ["text_BT", "graph_BG", "text_log_odds_B", "graph_log_odds_B"])
def test_a_trained_head_listens_to_each_input(name: str) -> None:
    head, batch = trained_head(), random_batch()

    changed = replace(batch, **{name: getattr(batch, name).flip(0)})

    assert not torch.equal(head(changed).logits_BC, head(batch).logits_BC)


def test_a_function_s_logits_do_not_depend_on_its_neighbours_in_the_batch() -> None:
    head, batch = trained_head(), random_batch()

    alone = FusionBatch(**{name: tensor[2:3] for name, tensor in vars(batch).items()})

    torch.testing.assert_close(head(alone).logits_BC[0], head(batch).logits_BC[2])


def test_a_saved_head_gives_the_same_logits_when_loaded(tmp_path: Path) -> None:
    head, batch = trained_head(), random_batch()

    save_fusion(tmp_path, head, config=FusionModel(width=8, dropout=0.0), inputs=INPUTS)
    loaded, inputs = load_fusion(tmp_path)

    assert torch.equal(loaded(batch).logits_BC, head(batch).logits_BC)
    assert inputs == INPUTS


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_head_is_refused_with_its_folder_s_name(tmp_path: Path, name: str) -> None:
    save_fusion(tmp_path, head_of(), config=FusionModel(width=8), inputs=INPUTS)
    (tmp_path / name).write_bytes(b"{}")

    with pytest.raises(DataError, match=str(tmp_path)):
        load_fusion(tmp_path)
