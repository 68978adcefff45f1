"""A checkpoint is trained only if tokenizer, config and weights are those of one model; each other case is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, PreTrainedTokenizerFast

from cellgate.contract.configs import TransformerModel
from cellgate.contract.errors import SpecError
from cellgate.contract.results import Check
from tests.tiny_checkpoints import CONFIGS, SOURCES, make_checkpoint
from trainers.models.transformer.model_proof import prove_model
from trainers.models.transformer.pretrained import (
    count_positions,
    load_pretrained_tokenizer,
    load_with_report,
    refuse_failed,
)
from trainers.models.transformer.scratch import build_tokenizer
from trainers.models.transformer.tokenizer_proof import prove_tokenizer

WEIGHTS = "model.safetensors"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
MAX_TOKENS = 64
Spoil = Callable[[Path], None]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a checkpoint of a class once."""
    folder = tmp_path_factory.mktemp("published")

    def make(kind: str) -> Path:
        return folder / kind if (folder / kind).exists() else make_checkpoint(kind, folder / kind)

    return make


def _prove(folder: Path, *, max_tokens: int = MAX_TOKENS) -> dict[str, Check]:
    spec = TransformerModel(checkpoint=str(folder), max_tokens=max_tokens)
    tokenizer = load_pretrained_tokenizer(spec)
    model, loaded = load_with_report(spec, pad_token_id=tokenizer.pad_token_id)
    checks = [
        *prove_tokenizer(spec, tokenizer, SOURCES),
        *prove_model(spec, model, tokenizer, loaded, positions=count_positions(model.config)),
    ]
    return {check.name: check for check in checks}


def _failed(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.verdict == "fail"}


def _configure(**changes: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))

    return spoil


def _drop_weights(part: str) -> Spoil:
    def spoil(folder: Path) -> None:
        kept = {name: tensor for name, tensor in load_file(folder / WEIGHTS).items() if part not in name}
        save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})

    return spoil


def _without_tokenizer(folder: Path) -> None:
    for name in TOKENIZER_FILES:
        (folder / name).unlink()


def _with_larger_vocabulary(folder: Path) -> None:
    build_tokenizer([f"int {name}_{i};" for i in range(300) for name in SOURCES], vocab_size=900).save_pretrained(
        folder
    )


def _with_prose(folder: Path) -> None:
    """Put a tokenizer of English words, as many as the model has vectors for."""
    words = ["<pad>", "<unk>", *(f"word{i}" for i in range(298))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)


def _with_gpt2_config(folder: Path) -> None:
    make_checkpoint("gpt2", folder / "other")
    shutil.copy(folder / "other" / "config.json", folder)


SPOILED: dict[str, tuple[Spoil, set[str], str, str]] = {
    "tokenizer missing": (
        _without_tokenizer,
        {"tokenizer_files", "unknown_tokens", "distinct_tokens", "vocabulary"},
        "tokenizer_files",
        "neither tokenizer.json nor vocab.txt: the library would make up a tokenizer of 5 tokens",
    ),
    "larger vocabulary": (_with_larger_vocabulary, {"vocabulary"}, "vocabulary", "the model has 300 token vectors"),
    "tokenizer of prose": (_with_prose, {"unknown_tokens", "distinct_tokens"}, "unknown_tokens", "100.0% of"),
    "another padding token": (_configure(pad_token_id=7), {"padding"}, "padding", "id 0, the model with 7"),
    "one layer missing": (
        _drop_weights(".layer.1."),
        {"weights"},
        "weights",
        "21 of the 37 weights of the backbone are loaded; 16 not in the files: bert.encoder.layer.1.",
    ),
    "one weight missing": (_drop_weights("layer.0.output.dense.bias"), {"weights"}, "weights", "36 of the 37"),
    "layer that the config lacks": (
        _configure(num_hidden_layers=1),
        {"weights"},
        "weights",
        "1 layers of the files that the model lacks: bert.encoder.layer.1",
    ),
    "wrong hidden size": (
        _configure(hidden_size=64),
        {"weights"},
        "weights",
        "bert.embeddings.LayerNorm.bias (32,) in the file and (64,) in the model",
    ),
    "fewer vectors than tokens": (
        _configure(vocab_size=200),
        {"weights", "vocabulary"},
        "vocabulary",
        "the model has 200 token vectors",
    ),
    "config of another class": (_with_gpt2_config, {"weights"}, "weights", "0 of the"),
    "config that contradicts itself": (
        _configure(architectures=["RobertaModel"]),
        {"architecture"},
        "architecture",
        "type 'bert', and architecture RobertaModel, of type 'roberta'",
    ),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_checkpoint_as_published_passes_every_check_with_its_numbers(
    published: Callable[[str], Path], kind: str
) -> None:
    checks = _prove(published(kind))

    assert {name: check.verdict for name, check in checks.items()} == dict.fromkeys(checks, "pass")
    assert checks["unknown_tokens"].detail.startswith("0.0% of ")
    assert "40 functions of train have 40 different sequences" in checks["distinct_tokens"].detail
    assert not any(check.fix for check in checks.values())


@pytest.mark.parametrize("case", SPOILED)
def test_a_checkpoint_spoiled_in_one_way_fails_with_that_ways_number(
    published: Callable[[str], Path], tmp_path: Path, case: str
) -> None:
    spoil, failing, shown, words = SPOILED[case]
    folder = shutil.copytree(published("bert"), tmp_path / "bert")
    spoil(folder)

    checks = _prove(folder)

    assert _failed(checks) == failing
    assert words in checks[shown].detail
    assert all(checks[name].fix for name in failing)


def test_too_few_positions_fail_and_the_fix_is_the_number_there_is(published: Callable[[str], Path]) -> None:
    checks = _prove(published("roberta"), max_tokens=65)

    assert _failed(checks) == {"positions"}
    assert checks["positions"].detail == "the model has positions for 64 tokens, and max_tokens is 65"
    assert checks["positions"].fix == "set max_tokens to 64 or less"


def test_fewer_positions_than_the_default_for_checkpoints_are_a_warning_since_nobody_asked_for_so_many(
    published: Callable[[str], Path],
) -> None:
    check = _prove(published("roberta"), max_tokens=512)["positions"]

    assert check.verdict == "warn"
    assert check.detail == "the model has positions for 64 tokens, and max_tokens is 512: functions are cut at 64"


def test_a_tokenizer_that_cuts_sooner_than_max_tokens_is_a_warning(
    published: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(published("bert"), tmp_path / "bert")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"model_max_length": 20}))

    check = _prove(folder)["positions"]

    assert (check.verdict, check.fix) == ("warn", "set max_tokens to 20, or raise the tokenizer's limit")


@pytest.mark.parametrize("kind", ["bert", "t5", "gpt2"])
def test_a_bare_backbone_passes_and_its_new_head_is_named(
    published: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    folder = shutil.copytree(published(kind), tmp_path / kind)
    AutoModel.from_pretrained(folder).save_pretrained(folder)

    checks = _prove(folder)

    assert _failed(checks) == set()
    assert "of the head start anew" in checks["weights"].detail


def test_a_pooler_that_pretraining_left_out_is_part_of_the_new_head(
    published: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(published("bert"), tmp_path / "bert")
    _drop_weights("pooler")(folder)

    assert "2 of the head start anew: bert.pooler.dense.bias" in _prove(folder)["weights"].detail


def test_a_run_is_refused_with_all_that_failed_at_once(published: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(published("bert"), tmp_path / "bert")
    _without_tokenizer(folder)
    checks = _prove(folder)

    with pytest.raises(SpecError, match="is not what would be trained") as caught:
        refuse_failed(TransformerModel(checkpoint=str(folder)), list(checks.values()))

    assert [problem.found.split(":")[0] for problem in caught.value.problems] == [
        name for name, check in checks.items() if check.verdict == "fail"
    ]
    assert {problem.where for problem in caught.value.problems} == {"/model/checkpoint"}
