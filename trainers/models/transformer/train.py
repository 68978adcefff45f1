"""Cell 51: a transformer on source text, from a checkpoint or from scratch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from cellgate.contract.configs import Split, TransformerModel
from cellgate.contract.events import EventKind
from cellgate.contract.files import sha256_of_json
from cellgate.contract.results import Check, RunResult
from cellgate.contract.specs import TransformerSpec
from trainers.data.dataset import Dataset
from trainers.data.writing import cached_if_possible, replaced_folder
from trainers.engine.class_balance import start_at_prior
from trainers.engine.context import RunContext
from trainers.engine.environment import code_version
from trainers.engine.finish import TruncationMask
from trainers.engine.malloc import keep_freed_memory
from trainers.engine.train_cell import open_inputs, train_cell
from trainers.models.linear.base import text_base
from trainers.models.linear.trainee import mixed_trainee
from trainers.models.transformer.lora import add_lora, merged_weights
from trainers.models.transformer.model_proof import prove_model
from trainers.models.transformer.parameters import freeze_body, new_last_layers
from trainers.models.transformer.pretrained import (
    count_positions,
    load_pretrained_tokenizer,
    load_with_report,
    refuse_failed,
    token_limit,
)
from trainers.models.transformer.scratch import ScratchSize, build_model, build_tokenizer
from trainers.models.transformer.task import TransformerTask
from trainers.models.transformer.token_ids import TokenizedDataset, tokenize
from trainers.models.transformer.tokenizer_proof import SAMPLE_FUNCTIONS, prove_tokenizer

TOKEN_FOLDER = "tokens"
LABELS = {0: "not_vulnerable", 1: "vulnerable"}
WARN_TRUNCATED_SHARE = 0.2
# Takes the checks of a checkpoint; pre-flight keeps them all, a run ends at the first that failed.
Judge = Callable[[TransformerModel, Sequence[Check]], None]


@dataclass(frozen=True, kw_only=True)
class TokenizedText:
    """Everything of the model that does not learn.

    Args:
        tokenizer: Of the transformers library.
        tokens: The data set's ids.
        max_tokens: Longest input, special tokens included.
    """

    tokenizer: Any
    tokens: TokenizedDataset
    max_tokens: int


def run(spec: TransformerSpec, context: RunContext) -> RunResult:
    """Train one seed of cell 51 and leave its model, predictions and result in the output folder.

    Raises:
        TrainerError: As in cellgate.contract.errors, by cause.
    """
    quieten_library()
    keep_freed_memory()
    with context.phase("load"):
        inputs = open_inputs(spec)
    with context.phase("tokenize"):
        text = prepare_text(spec.model, inputs.dataset, cache=spec.lr_cache or context.out)
        warnings = _truncation_warnings(text, context)
    base = None
    if spec.model.mix_linear:
        with context.phase("linear"):
            base = text_base(inputs.dataset, cache=spec.lr_cache or context.out)
    with context.phase("build"):
        task = build_task(spec, inputs.dataset, text)
    trainee = mixed_trainee(
        base,
        task,
        inputs=inputs,
        context=context,
        save=partial(save_model, task.model, text.tokenizer),
        warnings=warnings,
        cut=TruncationMask(limit=text.max_tokens, unit="tokens", rows_F=text.tokens.truncated_F),
    )
    return train_cell(trainee, inputs, spec=spec, context=context)


def quieten_library() -> None:
    """Keep the library's progress bars out of the run's output; its errors stay."""
    # The library leaves these without types.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def prepare_text(
    model: TransformerModel, dataset: Dataset, *, cache: Path, judge: Judge = refuse_failed
) -> TokenizedText:
    """Return the tokenizer, fitted on train when from scratch, and the ids of the whole data set.

    Args:
        cache: Folder for the ids; a second call with the same model and data set reads them from there.
        judge: Is given what was checked of the checkpoint's tokenizer.

    Raises:
        SpecError: The checkpoint cannot be loaded, or its tokenizer is not one for C.
    """
    if model.checkpoint is None:
        tokenizer = build_tokenizer(dataset.sources(dataset.rows(Split.TRAIN)), vocab_size=model.vocab_size)
        max_tokens = model.max_tokens
    else:
        tokenizer = load_pretrained_tokenizer(model)
        judge(model, prove_tokenizer(model, tokenizer, _sample_of_train(dataset)))
        max_tokens = token_limit(model, tokenizer)
    # Saved with it, so that whoever loads the model cuts functions where it did.
    tokenizer.model_max_length = max_tokens
    path = cache / TOKEN_FOLDER / f"{_token_key(dataset, tokenizer, max_tokens)}.arrow"
    tokens = TokenizedDataset.read(path)
    if tokens is None:
        tokens = tokenize(dataset.sources(np.arange(len(dataset))), tokenizer, max_tokens=max_tokens)
        with cached_if_possible():
            tokens.write(path)
    return TokenizedText(tokenizer=tokenizer, tokens=tokens, max_tokens=max_tokens)


def _sample_of_train(dataset: Dataset) -> list[str]:
    rows = dataset.rows(Split.TRAIN)
    step = max(1, len(rows) // SAMPLE_FUNCTIONS)
    return dataset.sources(rows[::step][:SAMPLE_FUNCTIONS])


def _token_key(dataset: Dataset, tokenizer: Any, max_tokens: int) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    vocabulary = backend.to_str() if backend is not None else tokenizer.get_vocab()
    parts = {"dataset": dataset.id, "tokenizer": vocabulary, "max_tokens": max_tokens, "code": code_version()}
    return sha256_of_json(parts).removeprefix("sha256:")


def _truncation_warnings(text: TokenizedText, context: RunContext) -> list[str]:
    share = float(text.tokens.truncated_F.mean())
    if share <= WARN_TRUNCATED_SHARE:
        return []
    message = f"{share:.0%} of the functions have more than {text.max_tokens} tokens and lose their middle"
    context.events.write(EventKind.WARNING, code="truncation", message=message)
    return [message]


def build_task(
    spec: TransformerSpec, dataset: Dataset, text: TokenizedText, *, judge: Judge = refuse_failed
) -> TransformerTask:
    """Return the model, fresh or from its checkpoint, with its data.

    Args:
        spec: With the model's kind and size, and the seed of its weights.
        dataset: With the pairs that share a batch.
        text: Tokenizer and ids, as `prepare_text` returns them.
        judge: Is given what was checked of the checkpoint's model.

    Raises:
        SpecError: The checkpoint cannot be loaded, or is not the model that its config describes.
    """
    if spec.model.checkpoint is None:
        model: Any = build_model(
            ScratchSize(spec.model.size),
            vocab_size=len(text.tokenizer),
            pad_token_id=text.tokenizer.pad_token_id,
            max_tokens=text.max_tokens,
            seed=spec.seed,
        )
    else:
        model = _load_proved(spec.model, text.tokenizer, judge)
    for last in new_last_layers(model):
        start_at_prior(last, dataset.labels(dataset.rows(Split.TRAIN)), spec.training)
    if spec.model.checkpoint is not None:
        if spec.model.lora is not None:
            add_lora(model, spec.model.lora)
        if spec.model.freeze == "body":
            freeze_body(model)
    model.config.id2label = LABELS
    model.config.label2id = {name: label for label, name in LABELS.items()}
    return TransformerTask(
        model,
        tokens=text.tokens,
        pad_token_id=text.tokenizer.pad_token_id,
        batch_size=spec.training.batch_size,
        max_tokens=text.max_tokens,
        pairs=dataset.all_pairs() if spec.training.keep_pairs_together else None,
        layer_lr_decay=spec.training.layer_lr_decay,
    )


def _load_proved(spec: TransformerModel, tokenizer: Any, judge: Judge) -> Any:
    model, loaded = load_with_report(spec, pad_token_id=tokenizer.pad_token_id)
    judge(spec, prove_model(spec, model, tokenizer, loaded, positions=count_positions(model.config)))
    return model


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a folder that AutoModelForSequenceClassification and AutoTokenizer load, atomically; LoRA is merged.

    Args:
        model: Of the transformers library, perhaps with LoRA.
        tokenizer: That made its ids.
        folder: Replaced as a whole.
    """
    with replaced_folder(folder) as temporary:
        model.save_pretrained(temporary, state_dict=merged_weights(model))
        tokenizer.save_pretrained(temporary)
