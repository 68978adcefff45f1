"""The text model as the engine sees it."""

from typing import Any

import numpy as np
import pytest
import torch

from trainers.models.transformer.scratch import ScratchSize, build_model, build_tokenizer
from trainers.models.transformer.task import TransformerTask, masked_mean
from trainers.models.transformer.token_ids import tokenize

SOURCES = [f"int f{i}(int a) {{ return a{' + a' * (i % 7)}; }}" for i in range(24)]
PAIRS = [f"p{i // 2}" for i in range(24)]


@pytest.fixture(scope="module")
def task() -> TransformerTask:
    tokenizer = build_tokenizer(SOURCES, vocab_size=300)
    model = build_model(
        ScratchSize.TINY, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, max_tokens=64, seed=0
    )
    model.eval()
    return TransformerTask(
        model,
        tokens=tokenize(SOURCES, tokenizer, max_tokens=64),
        pad_token_id=tokenizer.pad_token_id,
        batch_size=4,
        max_tokens=64,
        pairs=PAIRS,
    )


def _logits(task: Any, rows: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = task.predict(task.load_batch(np.array(rows))).logits_BC
    return logits


def test_the_longer_neighbour_does_not_change_a_functions_logits(task: TransformerTask) -> None:
    alone, beside_longer = _logits(task, [0]), _logits(task, [6, 0])

    torch.testing.assert_close(alone[0], beside_longer[1], rtol=1e-4, atol=1e-6)


def test_an_epoch_has_every_row_once_and_keeps_pairs_together(task: TransformerTask) -> None:
    rows = np.arange(2, 22)

    batches = task.plan_epoch(rows, np.random.default_rng(0))

    assert sorted(np.concatenate(batches).tolist()) == rows.tolist()
    assert all(len({PAIRS[row] for row in batch}) == len(batch) / 2 for batch in batches)


def test_evaluation_has_every_row_once_in_a_fixed_order(task: TransformerTask) -> None:
    rows = np.arange(24)

    first, second = task.plan_evaluation(rows), task.plan_evaluation(rows)

    assert sorted(np.concatenate(first).tolist()) == rows.tolist()
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]


def test_the_embedding_is_what_the_last_layer_reads(task: TransformerTask) -> None:
    with torch.inference_mode():
        prediction = task.predict(task.load_batch(np.array([3, 4])))
        classifier: Any = task.model.get_submodule("classifier")
        again = classifier(prediction.embedding_BD)

    torch.testing.assert_close(again, prediction.logits_BC)


def test_groups_and_components_hold_every_parameter_once(task: TransformerTask) -> None:
    all_of_them = sorted(id(p) for p in task.model.parameters())

    assert sorted(id(p) for group in task.groups for p in group.parameters) == all_of_them
    assert sorted(id(p) for members in task.components.values() for p in members) == all_of_them


def test_padding_never_reaches_the_mean() -> None:
    x = torch.randn(2, 3, 4)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    noisy = x.masked_fill(mask.unsqueeze(-1) == 0, 1e6)

    torch.testing.assert_close(masked_mean(noisy, mask)[0], (x[0, 0] + x[0, 1]) / 2)
    torch.testing.assert_close(masked_mean(noisy, mask)[1], x[1, 0])
