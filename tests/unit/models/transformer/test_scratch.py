"""The model from scratch: small, seeded, and loadable by the library alone."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from trainers.demo_data.generator import generate
from trainers.models.transformer.scratch import SHAPES, ScratchSize, build_model, build_tokenizer

pytestmark = pytest.mark.unit

VOCABULARY = 512


@pytest.fixture(scope="module")
def sources() -> list[str]:
    return [str(row["func"]) for row in generate(functions=60, seed=3)]


def test_a_saved_tokenizer_loads_by_the_auto_class_and_gives_the_same_ids(sources: list[str], tmp_path: Path) -> None:
    tokenizer = build_tokenizer(sources, vocab_size=VOCABULARY)
    build_model(ScratchSize.TINY, vocab_size=len(tokenizer), pad_token_id=0, max_tokens=64, seed=0).save_pretrained(
        tmp_path
    )
    tokenizer.save_pretrained(tmp_path)

    loaded = AutoTokenizer.from_pretrained(tmp_path)

    text = [*sources, 'naïve("\\x00 €")']
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert (loaded.pad_token_id, loaded.cls_token_id, loaded.sep_token_id) == (0, 2, 3)


def test_the_same_sources_give_the_same_tokenizer(sources: list[str]) -> None:
    first, second = (build_tokenizer(sources, vocab_size=VOCABULARY) for _ in range(2))

    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()


def test_layout_is_dropped_and_no_text_is_unknown(sources: list[str]) -> None:
    tokenizer = build_tokenizer(sources, vocab_size=VOCABULARY)

    assert tokenizer("if (a>=b)\n\treturn;")["input_ids"] == tokenizer("if (a >= b) return;")["input_ids"]
    assert tokenizer.unk_token_id not in tokenizer("Ünbekannt ☃ @#$`")["input_ids"]


def test_a_saved_model_loads_by_the_auto_class_and_gives_the_same_logits(sources: list[str], tmp_path: Path) -> None:
    tokenizer = build_tokenizer(sources, vocab_size=VOCABULARY)
    model = build_model(ScratchSize.SMALL, vocab_size=len(tokenizer), pad_token_id=0, max_tokens=256, seed=0).eval()
    model.save_pretrained(tmp_path)

    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()

    batch = tokenizer(sources[:4], padding=True, return_tensors="pt")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=mask).logits
        torch.testing.assert_close(loaded(input_ids=ids, attention_mask=mask).logits, expected, rtol=0, atol=0)


def test_padding_does_not_change_a_functions_logits(sources: list[str]) -> None:
    tokenizer = build_tokenizer(sources, vocab_size=VOCABULARY)
    model = build_model(ScratchSize.TINY, vocab_size=len(tokenizer), pad_token_id=0, max_tokens=256, seed=0).eval()
    short, long = sorted(sources, key=len)[0], sorted(sources, key=len)[-1]

    alone = tokenizer([short], return_tensors="pt")
    beside = tokenizer([short, long], padding=True, return_tensors="pt")

    with torch.no_grad():
        expected = model(input_ids=alone["input_ids"], attention_mask=alone["attention_mask"]).logits[0]
        found = model(input_ids=beside["input_ids"], attention_mask=beside["attention_mask"]).logits[0]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [ScratchSize.TINY, ScratchSize.SMALL])
def test_the_seed_alone_fixes_the_weights_and_leaves_the_process_alone(size: ScratchSize) -> None:
    def weights(seed: int) -> torch.Tensor:
        model = build_model(size, vocab_size=300, pad_token_id=0, max_tokens=64, seed=seed)
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    before = torch.random.get_rng_state()
    first, again, other = weights(1), weights(1), weights(2)

    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_every_size_has_a_shape_whose_heads_divide_its_width() -> None:
    assert set(SHAPES) == set(ScratchSize)
    assert all(shape.width % (2 * shape.heads) == 0 for shape in SHAPES.values())
