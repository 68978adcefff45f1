"""Whether a checkpoint's weights are the model's, and whether its tokenizer and its positions fit them."""

from typing import Any

from cellgate.contract.configs import TransformerModel
from cellgate.contract.recipes import RECIPES, TrainingKind
from cellgate.contract.results import Check, PreflightVerdict
from trainers.models.transformer.loaded_weights import LoadedWeights
from trainers.models.transformer.tokenizer_proof import OTHER_TOKENIZER

# Embeddings are rounded up to fast sizes and leave room for some hundred tokens; never for as many again.
LEAST_VOCABULARY_SHARE = 0.5


def prove_model(
    spec: TransformerModel, model: Any, tokenizer: Any, loaded: LoadedWeights, *, positions: float
) -> list[Check]:
    """Return one check for each thing that a model other than the checkpoint's shows.

    Args:
        spec: With the tokens that a function may have.
        model: As loaded, with its own config.
        tokenizer: The checkpoint's.
        loaded: What of the weights came from its files.
        positions: How many tokens it has positions for; infinite where they are relative.
    """
    return [
        _architecture(model),
        loaded.check(),
        _vocabulary(model, tokenizer),
        _padding(model, tokenizer),
        _positions(spec, tokenizer, positions),
    ]


def _architecture(model: Any) -> Check:
    """Check that config.json names one architecture; weights without a prefix load into several."""
    import transformers

    kind = str(model.config.model_type)
    published = [
        (name, str(config.model_type))
        for name in model.config.architectures or []
        if (config := getattr(getattr(transformers, name, None), "config_class", None)) is not None
    ]
    others = [f"{name}, of type {other!r}" for name, other in published if other != kind]
    detail = f"{type(model).__name__}, of type {kind!r}"
    if others:
        detail = f"config.json says type {kind!r}, and architecture {', '.join(others)}"
    fix = "restore config.json as it was published with the weights" if others else ""
    return Check(name="architecture", verdict="fail" if others else "pass", detail=detail, fix=fix)


def _vocabulary(model: Any, tokenizer: Any) -> Check:
    vectors = int(model.get_input_embeddings().num_embeddings)
    needed = 1 + _highest_id(tokenizer)
    fits = LEAST_VOCABULARY_SHARE * vectors <= needed <= vectors
    detail = f"the tokenizer has ids up to {needed - 1:,}, and the model has {vectors:,} token vectors"
    fix = "" if fits else OTHER_TOKENIZER
    return Check(name="vocabulary", verdict="pass" if fits else "fail", detail=detail, fix=fix)


def _highest_id(tokenizer: Any) -> int:
    """Return the highest id that a function can get; special tokens are split when they stand in one."""
    added = set(tokenizer.added_tokens_decoder)
    ids = {token_id for token_id in tokenizer.get_vocab().values() if token_id not in added}
    return int(max(ids | {tokenizer.pad_token_id} | set(tokenizer("")["input_ids"])))


def _padding(model: Any, tokenizer: Any) -> Check:
    """Check that both pad with one id: RoBERTa's family counts positions by it."""
    expected = model.config.pad_token_id
    known = expected is not None and expected >= 0
    fits = not known or tokenizer.pad_token_id in (expected, tokenizer.eos_token_id, tokenizer.unk_token_id)
    detail = f"the tokenizer pads with id {tokenizer.pad_token_id}, the model with {expected if known else 'any'}"
    fix = "" if fits else OTHER_TOKENIZER
    return Check(name="padding", verdict="pass" if fits else "fail", detail=detail, fix=fix)


def _positions(spec: TransformerModel, tokenizer: Any, positions: float) -> Check:
    """Check the model's limit, which cannot be exceeded; the tokenizer's cuts sooner and says so."""
    there = "no limit" if positions == float("inf") else f"positions for {positions:.0f} tokens"
    detail = f"the model has {there}, and max_tokens is {spec.max_tokens}"
    verdict: PreflightVerdict = "pass"
    fix = ""
    if positions < spec.max_tokens:
        # The default of every checkpoint cannot know how many positions this one has.
        verdict = "warn" if spec.max_tokens == RECIPES[TrainingKind.FULL].max_tokens else "fail"
        fix = f"set max_tokens to {positions:.0f} or less"
        if verdict == "warn":
            detail += f": functions are cut at {positions:.0f}"
    elif tokenizer.model_max_length < spec.max_tokens:
        verdict, fix = "warn", f"set max_tokens to {tokenizer.model_max_length}, or raise the tokenizer's limit"
        detail += f"; the tokenizer's own limit of {tokenizer.model_max_length} cuts functions sooner"
    return Check(name="positions", verdict=verdict, detail=detail, fix=fix)
