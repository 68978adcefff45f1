"""Tiny random checkpoints of every class of text model that people bring, made on the spot."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from trainers.models.transformer.scratch import SPECIAL_TOKENS, build_tokenizer

SOURCES = [f"int f{i}(char *p, int n) {{ return p[{i}]{' + p[n]' * (i % 9)}; }}" for i in range(40)]
VOCABULARY = 300
PAD, _, START, END, _ = range(len(SPECIAL_TOKENS))
COMMON: dict[str, Any] = {"vocab_size": VOCABULARY, "pad_token_id": PAD, "bos_token_id": START, "eos_token_id": END}
BERT_LIKE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
LLAMA_LIKE = {**BERT_LIKE, "num_key_value_heads": 2}
# What each stands for, and its config: the class, and what makes it small.
CONFIGS: dict[str, dict[str, Any]] = {
    "roberta": {**BERT_LIKE, "max_position_embeddings": 65},  # CodeBERT, GraphCodeBERT, UniXcoder
    "bert": BERT_LIKE,
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64},
    "electra": {**BERT_LIKE, "embedding_size": 16},
    "deberta-v2": {**BERT_LIKE, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {**BERT_LIKE, "cls_token_id": START, "sep_token_id": END},
    "eurobert": {**LLAMA_LIKE, "mask_token_id": 4},
    "t5": {
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 2,
        "decoder_start_token_id": PAD,
    },  # CodeT5
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
    "llama": LLAMA_LIKE,
    "qwen2": LLAMA_LIKE,
}


def make_checkpoint(kind: str, folder: Path) -> Path:
    """Write a random model of this class and its tokenizer; return the folder."""
    tokenizer: Any = build_tokenizer(SOURCES, vocab_size=VOCABULARY)
    # As published ones are.
    tokenizer.split_special_tokens = False
    config = AutoConfig.for_model(kind, **COMMON, **CONFIGS[kind])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
