"""Model and tokenizer of a checkpoint, by hub id or local path."""

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError

from cellgate.contract.configs import TransformerModel
from cellgate.contract.errors import InputError, SpecError
from cellgate.contract.results import Check
from trainers.models.transformer.loaded_weights import LoadedWeights
from trainers.models.transformer.task import CLASSES

OFFSET_POSITIONS = frozenset({"camembert", "data2vec-text", "esm", "ibert", "longformer", "luke", "mpnet", "xmod"})
# `max_tokens` of a saved model that is opened again: its tokenizer's own limit decides.
NO_TOKEN_LIMIT = 8192
# The library raises what its many loaders raise; any of these means that the checkpoint is not usable.
LOADING_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
    RuntimeError,
    SafetensorError,
    UnpicklingError,
)


def load_pretrained_tokenizer(spec: TransformerModel) -> Any:
    """Return the checkpoint's tokenizer, with a padding token; what looks like a special token in C is text to it.

    Raises:
        SpecError: It cannot be loaded, or has no token to pad with.
    """
    from transformers import AutoTokenizer

    try:
        # Else `a[SEP]` would end a function for BERT, and "</s>" for RoBERTa and T5.
        tokenizer = AutoTokenizer.from_pretrained(_name(spec), split_special_tokens=True, **checkpoint_source(spec))
        if tokenizer.pad_token is None:
            tokenizer.pad_token = _padding(tokenizer)
    except LOADING_ERRORS as error:
        raise _refusal(spec, "tokenizer", error) from error
    return tokenizer


def _padding(tokenizer: Any) -> str:
    """Return a token that can stand for padding, for it is masked wherever it does."""
    for token in (tokenizer.eos_token, tokenizer.unk_token):
        if token is not None:
            return str(token)
    raise ValueError("the tokenizer has no token for padding, end or unknown text")


def load_pretrained_model(spec: TransformerModel, *, pad_token_id: int) -> Any:
    """Return the checkpoint's model in float32, with a head for two classes.

    Raises:
        SpecError: It cannot be loaded, or a weight of its backbone is not in it.
    """
    model, loaded = load_with_report(spec, pad_token_id=pad_token_id)
    refuse_failed(spec, [loaded.check()])
    return model


def load_with_report(spec: TransformerModel, *, pad_token_id: int) -> tuple[Any, LoadedWeights]:
    """Return the same model, whatever of it is random, and what the checkpoint's files had of it.

    Raises:
        SpecError: It cannot be loaded.
    """
    from transformers import AutoModelForSequenceClassification

    try:
        model, found = AutoModelForSequenceClassification.from_pretrained(
            _name(spec),
            output_loading_info=True,
            num_labels=CLASSES,
            dtype=torch.float32,
            # A head for another number of classes is replaced by a fresh one; what else does not fit is in the report.
            ignore_mismatched_sizes=True,
            # Weights in a pickle could run code.
            use_safetensors=True,
            **checkpoint_source(spec),
        )
    except LOADING_ERRORS as error:
        raise _refusal(spec, "model", error) from error
    if model.config.pad_token_id is None:
        model.config.pad_token_id = pad_token_id
    return model, LoadedWeights.of(model, found)


def refuse_failed(spec: TransformerModel, checks: Sequence[Check]) -> None:
    """Refuse a checkpoint of which any check failed, and name all that did.

    Raises:
        SpecError: At least one failed.
    """
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        raise SpecError(
            f"the checkpoint {spec.checkpoint!r} is not what would be trained",
            [
                InputError(
                    where="/model/checkpoint",
                    found=f"{check.name}: {check.detail}",
                    expected="tokenizer and weights of one model, all there",
                    fix=check.fix,
                )
                for check in failed
            ],
        )


def token_limit(spec: TransformerModel, tokenizer: Any) -> int:
    """Return the longest input that spec, tokenizer and model all allow.

    Raises:
        SpecError: The checkpoint's config cannot be loaded.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(_name(spec), **checkpoint_source(spec))
    except LOADING_ERRORS as error:
        raise _refusal(spec, "config", error) from error
    # The library's word for "no limit known" is 1e30.
    return int(min(spec.max_tokens, tokenizer.model_max_length, count_positions(config)))


def count_positions(config: Any) -> float:
    """Return how many positions the model has for tokens; infinite where they are relative."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:
        return float("inf")
    # RoBERTa's family numbers tokens from behind the padding token's id: of 514 positions 512 are for tokens.
    offsets = "roberta" in config.model_type or config.model_type in OFFSET_POSITIONS
    return int(positions) - ((config.pad_token_id or 0) + 1 if offsets else 0)


def _name(spec: TransformerModel) -> str:
    return spec.checkpoint or ""


def _is_local(spec: TransformerModel) -> bool:
    return Path(_name(spec)).exists()


def checkpoint_source(spec: TransformerModel) -> dict[str, Any]:
    """Return where the library reads a checkpoint from, beside its name; code that comes with one never runs."""
    return {"revision": spec.revision or "main", "local_files_only": _is_local(spec), "trust_remote_code": False}


def _refusal(spec: TransformerModel, part: str, error: Exception) -> SpecError:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return SpecError(
        f"the checkpoint's {part} cannot be loaded",
        [
            InputError(
                where="/model/checkpoint",
                found=f"{spec.checkpoint!r} ({type(error).__name__}: {first_line})",
                expected="a hub id that this machine can reach, or a folder that AutoModelForSequenceClassification "
                "and AutoTokenizer load",
                fix="check the name and revision, download it first and give its folder, convert weights that are not "
                "safetensors (load them where you trust them, then save_pretrained), or use null to train a small "
                "model from scratch",
            )
        ],
    )
