"""What of a checkpoint is taken as it is, and what is refused with what to do about it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from cellgate.contract.configs import Lora, TransformerModel
from cellgate.contract.errors import InputError, SpecError
from tests.tiny_checkpoints import make_checkpoint
from trainers.models.transformer.pretrained import (
    load_pretrained_model,
    load_pretrained_tokenizer,
    token_limit,
)

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture
def without_weights(bert: Path, tmp_path: Path) -> Path:
    for path in bert.iterdir():
        if path.name != WEIGHTS:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def _spec(checkpoint: Path | str) -> TransformerModel:
    return TransformerModel(checkpoint=str(checkpoint), max_tokens=8192)


def _refusal_of(checkpoint: Path | str) -> InputError:
    with pytest.raises(SpecError) as caught:
        load_pretrained_model(_spec(checkpoint), pad_token_id=0)
    [problem] = caught.value.problems
    assert problem.where == "/model/checkpoint"
    return problem


@pytest.mark.parametrize(("kind", "limit"), [("roberta", 64), ("bert", 64), ("gpt2", 64), ("t5", 8192)])
def test_the_models_own_positions_limit_what_it_is_given(kind: str, limit: int, tmp_path: Path) -> None:
    spec = _spec(make_checkpoint(kind, tmp_path))
    tokenizer = load_pretrained_tokenizer(spec)

    assert tokenizer.model_max_length > 1e29
    assert token_limit(spec, tokenizer) == limit


def test_the_tokenizers_limit_counts_too(bert: Path) -> None:
    tokenizer = load_pretrained_tokenizer(_spec(bert))
    tokenizer.model_max_length = 20

    assert token_limit(_spec(bert), tokenizer) == 20


def test_what_looks_like_a_special_token_in_a_function_is_text_before_and_after_saving(
    bert: Path, tmp_path: Path
) -> None:
    tokenizer = load_pretrained_tokenizer(_spec(bert))
    source = 'int f(void) { return g("<sep>"); }'

    ids = tokenizer(source)["input_ids"]

    assert ids.count(tokenizer.sep_token_id) == 1
    tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)(source)["input_ids"] == ids


@pytest.mark.parametrize(("end", "padding"), [("<sep>", "<sep>"), (None, "<unk>")])
def test_a_tokenizer_without_padding_pads_with_its_end_or_unknown_token(
    bert: Path, tmp_path: Path, end: str | None, padding: str
) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(bert)
    tokenizer.pad_token, tokenizer.eos_token = None, end
    tokenizer.save_pretrained(tmp_path)

    assert load_pretrained_tokenizer(_spec(tmp_path)).pad_token == padding


def test_weights_in_a_pickle_are_refused_with_what_to_do(bert: Path, without_weights: Path) -> None:
    torch.save(load_file(bert / WEIGHTS), without_weights / "pytorch_model.bin")

    assert "safetensors" in _refusal_of(without_weights).fix


def test_weights_under_other_names_are_refused_not_replaced_by_random_ones(bert: Path, without_weights: Path) -> None:
    renamed = {f"student.{name}": tensor for name, tensor in load_file(bert / WEIGHTS).items()}
    save_file(renamed, without_weights / WEIGHTS, metadata={"format": "pt"})

    assert "0 of the 37 weights of the backbone are loaded" in _refusal_of(without_weights).found


def test_weights_without_a_classifier_get_a_fresh_one(bert: Path, without_weights: Path) -> None:
    body = {name: tensor for name, tensor in load_file(bert / WEIGHTS).items() if "classifier" not in name}
    save_file(body, without_weights / WEIGHTS, metadata={"format": "pt"})

    model = load_pretrained_model(_spec(without_weights), pad_token_id=0)

    assert torch.equal(
        model.state_dict()["bert.embeddings.word_embeddings.weight"], body["bert.embeddings.word_embeddings.weight"]
    )
    assert model.classifier.out_features == 2


def test_a_head_for_another_number_of_classes_is_replaced(bert: Path, without_weights: Path) -> None:
    weights = load_file(bert / WEIGHTS) | {"classifier.weight": torch.ones(5, 32), "classifier.bias": torch.ones(5)}
    save_file(weights, without_weights / WEIGHTS, metadata={"format": "pt"})

    assert load_pretrained_model(_spec(without_weights), pad_token_id=0).classifier.out_features == 2


def test_a_folder_without_a_config_is_refused(bert: Path, tmp_path: Path) -> None:
    assert "config.json" in _refusal_of(tmp_path).found
    with pytest.raises(SpecError, match="config cannot be loaded"):
        token_limit(_spec(tmp_path), load_pretrained_tokenizer(_spec(bert)))


def test_a_hub_id_out_of_reach_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    assert "nobody/nothing" in _refusal_of("nobody/nothing").found


def test_lora_without_a_checkpoint_is_a_mistake_in_the_spec() -> None:
    with pytest.raises(ValueError, match="weights of a checkpoint"):
        TransformerModel(lora=Lora())
