"""The probes: each is blind to what it is not meant to see."""

import itertools

import numpy as np
import pytest

from cellgate.contract.configs import Split
from tests.unit.data.test_duplicates import row
from trainers.data.clean.lexing import Words, lex
from trainers.data.clean.probes import Probes, run_probes

FUNCTIONS = 300


def probes_of(vulnerable: str, other: str) -> Probes:
    """Probe functions that differ by label in one place, and by number in another."""
    labels_F = np.arange(FUNCTIONS) % 2
    sources = [
        f"int f{i}(int a) {{ {vulnerable if label else other} return a + {i}; }}" for i, label in enumerate(labels_F)
    ]
    order = (Split.TRAIN, Split.TRAIN, Split.DEV, Split.DEV, Split.GATE, Split.GATE)
    splits = [split for _, split in zip(range(FUNCTIONS), itertools.cycle(order), strict=False)]
    rows = [
        row(func, label=int(label), line=line) for line, (func, label) in enumerate(zip(sources, labels_F, strict=True))
    ]
    # Some functions at a time, as they come from a file.
    words = Words()
    return run_probes(rows, (lex(sources[start : start + 70], words) for start in range(0, FUNCTIONS, 70)), splits)


@pytest.mark.parametrize(
    ("vulnerable", "other"),
    [("a = 7;", "a = 8;"), ("a += a;", "a -= a;"), ("/* bug */", "/* fix */"), ('"bug";', '"fix";'), ("if", "do")],
    ids=["number", "operator", "comment", "string", "keyword"],
)
def test_what_is_no_name_is_not_seen_by_the_identifiers_alone(vulnerable: str, other: str):
    probes = probes_of(vulnerable, other)

    assert probes.bag_of_tokens.auroc == 1.0
    assert probes.identifiers.auroc == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(("vulnerable", "other"), [("bug(a);", "fix(a);"), ("a->bug = 0;", "a->fix = 0;")])
def test_a_name_that_gives_the_label_away_is_seen_and_length_does_not_see_it(vulnerable: str, other: str):
    probes = probes_of(vulnerable, other)

    assert (probes.identifiers.f1, probes.identifiers.auroc) == (1.0, 1.0)
    assert probes.length.auroc == pytest.approx(0.5, abs=0.15)


def test_length_alone_is_seen_by_length():
    assert probes_of(";;;;;;;;;;;;;;;;", "").length.auroc == 1.0


def test_the_baselines_are_named_and_calling_everything_vulnerable_ranks_nothing():
    baselines = {baseline.name: baseline for baseline in probes_of("bug(a);", "fix(a);").baselines()}

    assert list(baselines) == ["all_positive", "bag_of_tokens", "length", "identifiers"]
    # Half of the functions are vulnerable: precision 1/2, recall 1.
    assert baselines["all_positive"].f1 == pytest.approx(2 / 3, abs=1e-6)
    assert baselines["all_positive"].auroc == 0.5
    assert baselines["identifiers"].f1 == 1.0
