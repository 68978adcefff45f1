"""A text model that starts from nothing: its tokenizer and its weights, loadable by the library's Auto classes.

The architecture is EuroBERT's (rotary positions, gated feed-forward layers, RMS norm, attention both ways): of the
library's it learned order and structure of short C functions in the fewest CPU seconds.

How the small size is trained best: AdamW with betas 0.9 and 0.98 (with 0.999 at a rate of 3e-3 one run ended at F1
0.81 instead of 0.91), peak learning rate 2e-3 (1.5e-3 to 3e-3 do nearly as well, 5e-3 is too high), a tenth of the
steps as warm-up, linear decay to zero, 32 functions a batch with both members of a pair in the same one, weight decay
0.01 on matrices, gradients clipped to 1, no dropout, no label smoothing, 1,024 tokens of vocabulary, seven epochs over
4,340 functions.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import EuroBertConfig, EuroBertForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

# The ids are their places here.
SPECIAL_TOKENS = PAD, UNKNOWN, START, END, MASK = ("<pad>", "<unk>", "<cls>", "<sep>", "<mask>")
C_TOKEN = r"[A-Za-z_]\w*|\d\w*|->|\+\+|--|<<=|>>=|<<|>>|[-+*/%&|^<>=!]=|&&|\|\||[^\w\s]"


class ScratchSize(StrEnum):
    """Sizes of the model: seconds in a test, a minute on a CPU, or a real GPU."""

    TINY = "tiny"
    SMALL = "small"
    BASE = "base"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a size stands for.

    Args:
        width: Of a token's vector; a multiple of twice `heads`.
        layers: Of attention and feed-forward.
        heads: Of attention, in each layer.
        inner_width: Of the gated feed-forward layers.
        init_std: Standard deviation of the linear layers' initial weights.
        embedding_std: Standard deviation of the initial token vectors; at the usual 0.02 the small sizes need
            several epochs before they begin to learn.
        rotary_base: Base of the rotary angles; a small one resolves the distances within short functions.
    """

    width: int
    layers: int
    heads: int
    inner_width: int
    init_std: float
    embedding_std: float
    rotary_base: float


SHAPES: dict[ScratchSize, Shape] = {
    ScratchSize.TINY: Shape(
        width=32, layers=1, heads=2, inner_width=64, init_std=0.03, embedding_std=0.1, rotary_base=100.0
    ),
    ScratchSize.SMALL: Shape(
        width=64, layers=2, heads=4, inner_width=128, init_std=0.03, embedding_std=0.1, rotary_base=100.0
    ),
    ScratchSize.BASE: Shape(
        width=512, layers=8, heads=8, inner_width=1536, init_std=0.02, embedding_std=0.04, rotary_base=10_000.0
    ),
}


def build_tokenizer(sources: Iterable[str], *, vocab_size: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer fitted on `sources`: C tokens, the rare ones cut into byte pairs; layout is dropped.

    Args:
        sources: Functions of the train split, in a fixed order.
        vocab_size: At most so many tokens; at least 261 (every byte and the special tokens).

    Returns:
        A tokenizer that puts `<cls>` before a function and `<sep>` behind it. No text is unknown to it.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s+"), "removed"),
            pre_tokenizers.Split(Regex(C_TOKEN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sources, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B {END}",
        special_tokens=[(token, SPECIAL_TOKENS.index(token)) for token in (START, END)],
    )
    names = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": START, "sep_token": END, "mask_token": MASK}
    # The library leaves this constructor without types. A function that has `<sep>` in it, e.g. as a string, is text.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, split_special_tokens=True, **names
    )


def build_model(
    size: ScratchSize, *, vocab_size: int, pad_token_id: int, max_tokens: int, seed: int
) -> PreTrainedModel:
    """Return a classifier of two classes, patched and vulnerable, with random weights.

    Args:
        size: Which of `SHAPES`.
        vocab_size: Length of the tokenizer, special tokens included.
        pad_token_id: Its padding token's id.
        max_tokens: The longest input, special tokens included.
        seed: Fixes the weights; the process's own random state stays as it was.
    """
    shape = SHAPES[size]
    config = EuroBertConfig(
        vocab_size=vocab_size,
        hidden_size=shape.width,
        intermediate_size=shape.inner_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=max_tokens,
        initializer_range=shape.init_std,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rotary_base},
        classifier_pooling="mean",
        pad_token_id=pad_token_id,
        bos_token_id=SPECIAL_TOKENS.index(START),
        eos_token_id=SPECIAL_TOKENS.index(END),
        mask_token_id=SPECIAL_TOKENS.index(MASK),
        use_cache=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = EuroBertForSequenceClassification(config)
        weight_VD = model.get_parameter("model.embed_tokens.weight")
        torch.nn.init.normal_(weight_VD, std=shape.embedding_std)
    with torch.no_grad():
        weight_VD[pad_token_id].zero_()
    return model
