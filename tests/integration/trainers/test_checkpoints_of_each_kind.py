"""Every class of checkpoint that people bring goes through the same code: load, cut, train, save, load."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from cellgate.contract.configs import Lora, TransformerModel
from tests.tiny_checkpoints import CONFIGS, END, SOURCES, START, make_checkpoint
from trainers.engine.checkpoint import weights_of
from trainers.models.transformer.lora import add_lora
from trainers.models.transformer.pretrained import load_pretrained_model, load_pretrained_tokenizer, token_limit
from trainers.models.transformer.task import TransformerTask
from trainers.models.transformer.token_ids import head_and_tail, tokenize
from trainers.models.transformer.train import save_model

MAX_TOKENS = 24
# An encoder with positions of its own, ours, an encoder and decoder, a decoder; each of the others is like one of them.
ONE_OF_EACH = ("roberta", "eurobert", "t5", "gpt2")
KINDS = pytest.mark.parametrize(
    "kind", [kind if kind in ONE_OF_EACH else pytest.param(kind, marks=pytest.mark.slow) for kind in CONFIGS]
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {kind: make_checkpoint(kind, folder / kind) for kind in CONFIGS}


def _task(checkpoint: Path, *, lora: Lora | None = None) -> tuple[TransformerTask, Any]:
    spec = TransformerModel(checkpoint=str(checkpoint), max_tokens=MAX_TOKENS, lora=lora)
    tokenizer = load_pretrained_tokenizer(spec)
    model = load_pretrained_model(spec, pad_token_id=tokenizer.pad_token_id)
    if lora is not None:
        add_lora(model, lora)
    task = TransformerTask(
        model,
        tokens=tokenize(SOURCES, tokenizer, max_tokens=token_limit(spec, tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
        batch_size=4,
        max_tokens=MAX_TOKENS,
        pairs=None,
    )
    return task, tokenizer


def _train(task: TransformerTask, *, steps: int = 3) -> None:
    optimizer = torch.optim.AdamW([p for group in task.groups for p in group.parameters], lr=1e-2)
    task.model.train()
    for step in range(steps):
        rows = np.arange(4 * step, 4 * step + 4)
        loss = torch.nn.functional.cross_entropy(
            task.predict(task.load_batch(rows)).logits_BC, torch.tensor([0, 1, 0, 1])
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    task.model.eval()


def _logits(task: TransformerTask, rows: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return task.predict(task.load_batch(np.array(rows))).logits_BC


@KINDS
def test_it_trains_and_what_it_says_of_a_function_does_not_depend_on_padding(
    checkpoints: dict[str, Path], kind: str
) -> None:
    task, _ = _task(checkpoints[kind])
    before = weights_of(task.model)

    _train(task)

    after = weights_of(task.model)
    assert sum(not torch.equal(before[name], after[name]) for name in before) > len(before) / 2
    with torch.inference_mode():
        prediction = task.predict(task.load_batch(np.array([0, 8, 4])))
    assert prediction.embedding_BD.shape == (3, 32)
    assert bool(prediction.embedding_BD.isfinite().all())
    torch.testing.assert_close(_logits(task, [0])[0], prediction.logits_BC[0], rtol=1e-4, atol=1e-5)


@KINDS
def test_masks_of_one_row_per_function_say_what_the_librarys_own_say(checkpoints: dict[str, Path], kind: str) -> None:
    task, _ = _task(checkpoints[kind])
    usual = AutoModelForSequenceClassification.from_pretrained(checkpoints[kind]).eval()
    usual.load_state_dict(task.model.state_dict())
    task.model.eval()
    batch = task.load_batch(np.array([0, 8, 4]))

    with torch.inference_mode():
        expected = usual(input_ids=batch.ids_BT, attention_mask=batch.mask_BT).logits

    torch.testing.assert_close(_logits(task, [0, 8, 4]), expected, rtol=1e-4, atol=1e-6)


@KINDS
def test_what_is_saved_is_what_the_auto_classes_load(checkpoints: dict[str, Path], kind: str, tmp_path: Path) -> None:
    task, tokenizer = _task(checkpoints[kind])
    _train(task)

    save_model(task.model, tokenizer, tmp_path / "model")

    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    again = AutoTokenizer.from_pretrained(tmp_path / "model")
    ids = torch.tensor([head_and_tail(again(SOURCES[0])["input_ids"], MAX_TOKENS)])
    with torch.inference_mode():
        logits = model(input_ids=ids).logits
    torch.testing.assert_close(logits, _logits(task, [0]), rtol=1e-4, atol=1e-5)


@KINDS
def test_a_long_function_keeps_its_head_its_tail_and_its_special_tokens(
    checkpoints: dict[str, Path], kind: str
) -> None:
    task, tokenizer = _task(checkpoints[kind])
    whole = tokenizer(SOURCES[8])["input_ids"]

    ids = task.load_batch(np.array([8])).ids_BT[0].tolist()

    assert len(whole) > len(ids) == MAX_TOKENS
    assert (ids[0], ids[-1]) == (START, END)
    assert (ids[:12], ids[12:]) == (whole[:12], whole[-12:])


@KINDS
def test_lora_trains_its_updates_and_the_classifier_alone_and_is_saved_merged(
    checkpoints: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    task, tokenizer = _task(checkpoints[kind], lora=Lora(rank=4, alpha=8))
    frozen = {name: p.detach().clone() for name, p in task.model.named_parameters() if not p.requires_grad}
    trained = [name for name, p in task.model.named_parameters() if p.requires_grad]

    _train(task, steps=6)

    assert any("lora_A" in name for name in trained)
    assert all("lora_" in name or not name.startswith(str(task.model.base_model_prefix)) for name in trained)
    now = dict(task.model.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in frozen.items())
    save_model(task.model, tokenizer, tmp_path / "model")
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    assert not any("lora" in name for name, _ in merged.named_parameters())
    batch = task.load_batch(np.array([0, 3]))
    with torch.inference_mode():
        logits = merged(input_ids=batch.ids_BT, attention_mask=batch.mask_BT).logits
    torch.testing.assert_close(logits, _logits(task, [0, 3]), rtol=1e-4, atol=1e-5)
    # The updates did something: without them it says something else.
    task.model.load_state_dict({name: torch.zeros_like(p) for name, p in now.items() if "lora_B" in name}, strict=False)
    assert not torch.allclose(logits, _logits(task, [0, 3]), atol=1e-4)
