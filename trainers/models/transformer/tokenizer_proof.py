"""Whether a checkpoint's tokenizer reads C: measured on a sample of the functions that it is to read."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from transformers.utils.hub import cached_file

from cellgate.contract.configs import TransformerModel
from cellgate.contract.results import Check, PreflightVerdict
from trainers.models.transformer.pretrained import LOADING_ERRORS, checkpoint_source

# Enough for shares to a tenth of a percent; a second of a slow tokenizer.
SAMPLE_FUNCTIONS = 500
# Original T5 knows no braces, which are a twentieth of the tokens of C: that can still be trained.
REFUSED_UNKNOWN_SHARE = 0.10
WARNED_UNKNOWN_SHARE = 0.01
# Functions of a data set differ in more than layout; an uncased tokenizer makes very few of them equal.
LEAST_OWN_IDS_SHARE = 0.9
# A tokenizer by characters has at most some dozens of different tokens in a function of any length.
FEWEST_TOKENS_PER_WORD = 0.25
MOST_WORDS_COUNTED = 64
SHOWN_UNKNOWN = 5
WHOLE_TOKENIZER = "tokenizer.json"
# Of tokenizers whose class names no files of its own.
OTHER_FILES = ("tokenizer.model", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tekken.json")
WORD = re.compile(r"\w+|[^\w\s]")
OTHER_TOKENIZER = "give the checkpoint the tokenizer that it was trained with, or use another checkpoint"


def prove_tokenizer(spec: TransformerModel, tokenizer: Any, sources: Sequence[str]) -> list[Check]:
    """Return one check for each thing that a missing or foreign tokenizer shows.

    Args:
        spec: With the checkpoint's name.
        tokenizer: As the library made it; without files it invents one of nothing but special tokens.
        sources: A sample of the train split.
    """
    checks = [_files(spec, tokenizer)]
    if sources:
        ids_by_function = tokenizer(
            list(sources), add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        checks += [
            _unknown_tokens(tokenizer, sources, ids_by_function),
            _distinct_tokens(sources, ids_by_function),
        ]
    return checks


def _files(spec: TransformerModel, tokenizer: Any) -> Check:
    names = {kind: name for kind, name in tokenizer.vocab_files_names.items() if kind != "tokenizer_file"}
    parts = sorted(set(names.values()))
    missing = [name for name in parts if not _has_file(spec, name)]
    present = [name for name in (WHOLE_TOKENIZER, *OTHER_FILES) if _has_file(spec, name)]
    if WHOLE_TOKENIZER in present or (parts and not missing) or (present and not parts):
        found = WHOLE_TOKENIZER if WHOLE_TOKENIZER in present else ", ".join(parts or present)
        return Check(name="tokenizer_files", verdict="pass", detail=f"{found}, {len(tokenizer):,} tokens")
    wanted = " and ".join(parts)
    detail = (
        f"the checkpoint has neither {WHOLE_TOKENIZER} nor {wanted or 'any vocabulary'}: "
        f"the library would make up a tokenizer of {len(tokenizer)} tokens"
    )
    return Check(
        name="tokenizer_files",
        verdict="fail",
        detail=detail,
        fix="put the tokenizer's files beside the weights, e.g. by AutoTokenizer.from_pretrained(…).save_pretrained",
    )


def _has_file(spec: TransformerModel, name: str) -> bool:
    try:
        path = cached_file(
            spec.checkpoint or "",
            name,
            **checkpoint_source(spec),
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except LOADING_ERRORS:
        return False
    return path is not None


def _unknown_tokens(tokenizer: Any, sources: Sequence[str], ids_by_function: Sequence[Sequence[int]]) -> Check:
    total = sum(map(len, ids_by_function))
    unknown = tokenizer.unk_token_id
    count = 0 if unknown is None else sum(list(ids).count(unknown) for ids in ids_by_function)
    share = count / total if total else 1.0
    verdict: PreflightVerdict = (
        "fail" if share > REFUSED_UNKNOWN_SHARE else "warn" if share > WARNED_UNKNOWN_SHARE else "pass"
    )
    detail = f"{share:.1%} of {total:,} tokens in {len(sources)} functions of train are unknown to the tokenizer"
    if count and tokenizer.is_fast:
        detail += f", most often {_most_unknown(tokenizer, sources)}"
    fix = "" if verdict == "pass" else "use a checkpoint whose tokenizer knows C"
    return Check(name="unknown_tokens", verdict=verdict, detail=detail, fix=fix)


def _most_unknown(tokenizer: Any, sources: Sequence[str]) -> str:
    encoded = tokenizer(list(sources), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    texts = Counter(
        source[start:end]
        for source, ids, places in zip(sources, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        for token, (start, end) in zip(ids, places, strict=True)
        if token == tokenizer.unk_token_id
    )
    return ", ".join(repr(text[:20]) for text, _ in texts.most_common(SHOWN_UNKNOWN))


def _distinct_tokens(sources: Sequence[str], ids_by_function: Sequence[Sequence[int]]) -> Check:
    """Check that functions which differ have ids that differ."""
    own = len({tuple(ids) for ids in ids_by_function})
    tokens = median(len(set(ids)) for ids in ids_by_function)
    words = median(len(set(WORD.findall(source))) for source in sources)
    few = tokens < FEWEST_TOKENS_PER_WORD * min(words, MOST_WORDS_COUNTED)
    alike = own < LEAST_OWN_IDS_SHARE * len(sources)
    detail = (
        f"a function has {tokens:g} different tokens in the median, of {words:g} different words and marks; "
        f"{len(sources)} functions of train have {own} different sequences of tokens"
    )
    fix = OTHER_TOKENIZER if few or alike else ""
    return Check(name="distinct_tokens", verdict="fail" if few or alike else "pass", detail=detail, fix=fix)
