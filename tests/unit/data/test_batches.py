"""Batches: every function once an epoch, within size and budget, and the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.data.batching import length_buckets, node_budget_batches

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=150)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(LENGTHS, st.integers(1, 16), st.integers(50, 400), st.booleans())
def test_padded_batches_hold_every_function_once_within_size_and_budget(
    lengths: list[int], batch_size: int, budget: int, paired: bool
):
    pairs = [f"p{i // 2}" for i in range(len(lengths))] if paired else None

    batches = length_buckets(lengths, batch_size=batch_size, token_budget=budget, rng=rng(), pairs=pairs)

    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) <= batch_size
        assert len(batch) == 1 or longest * len(batch) <= budget


@given(LENGTHS, st.integers(1, 16), st.integers(50, 400), st.booleans())
def test_node_batches_hold_every_function_once_within_size_and_budget(
    nodes: list[int], batch_size: int, budget: int, paired: bool
):
    pairs = [f"p{i // 2}" for i in range(len(nodes))] if paired else None

    batches = node_budget_batches(nodes, batch_size=batch_size, node_budget=budget, rng=rng(), pairs=pairs)

    assert sorted(np.concatenate(batches)) == list(range(len(nodes)))
    for batch in batches:
        assert len(batch) <= batch_size
        assert len(batch) == 1 or sum(nodes[i] for i in batch) <= budget


@pytest.mark.parametrize("plan", ["length", "nodes"])
def test_the_same_seed_gives_the_same_batches_and_another_gives_others(plan: str):
    def batches(seed: int) -> list[list[int]]:
        sizes = [10 + i % 7 for i in range(100)]
        if plan == "length":
            found = length_buckets(sizes, batch_size=8, token_budget=10_000, rng=rng(seed))
        else:
            found = node_budget_batches(sizes, batch_size=8, node_budget=10_000, rng=rng(seed))
        return [batch.tolist() for batch in found]

    assert batches(0) == batches(0)
    assert batches(0) != batches(1)


def test_both_members_of_a_pair_are_in_one_batch():
    pairs = [f"p{i % 50}" for i in range(100)]

    for batches in (
        length_buckets([5] * 100, batch_size=8, token_budget=1_000, rng=rng(), pairs=pairs),
        node_budget_batches([5] * 100, batch_size=8, node_budget=1_000, rng=rng(), pairs=pairs),
    ):
        for batch in batches:
            assert {(i + 50) % 100 for i in batch} == set(batch)


def test_functions_of_like_length_are_batched_together():
    lengths = rng().integers(10, 500, size=640)

    batches = length_buckets(lengths, batch_size=16, token_budget=10**9, rng=rng())

    padded = sum(int(lengths[b].max()) * len(b) for b in batches)
    assert padded < 1.1 * int(lengths.sum())
