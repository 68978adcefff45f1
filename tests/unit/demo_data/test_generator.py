"""The generated set: labels follow from order and data flow, rows are new, seeds are kept."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tree_sitter_c
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from tree_sitter import Language, Parser

from cellgate.contract.errors import SpecError
from trainers.demo_data.generator import generate, write_jsonl
from trainers.demo_data.renaming import renamed
from trainers.demo_data.shares import KIND_WEIGHTS, Family, Kind, Shares, family_of

pytestmark = pytest.mark.unit

WORD = re.compile(r"\w+|[^\w\s]")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    return list(generate(functions=4000, seed=11))


def pairs_of(rows: list[dict[str, object]]) -> list[tuple[dict[str, object], dict[str, object]]]:
    """Return (patched, vulnerable) for each pair."""
    both = [sorted(rows[at : at + 2], key=lambda row: str(row["target"])) for at in range(0, len(rows), 2)]
    return [(patched, vulnerable) for patched, vulnerable in both]


def test_rows_come_as_pairs_with_one_commit_and_one_project(rows: list[dict[str, object]]) -> None:
    for patched, vulnerable in pairs_of(rows):
        assert (patched["target"], vulnerable["target"]) == (0, 1)
        assert all(patched[key] == vulnerable[key] for key in ("pair", "commit", "project", "cwe", "kind"))
    assert len({row["id"] for row in rows}) == 4000
    assert len({row["commit"] for row in rows}) == 2000
    assert len({row["project"] for row in rows}) > 5


def test_both_members_of_a_pair_are_made_of_the_same_tokens(rows: list[dict[str, object]]) -> None:
    for patched, vulnerable in pairs_of(rows):
        assert Counter(WORD.findall(str(patched["func"]))) == Counter(WORD.findall(str(vulnerable["func"])))


def test_counting_tokens_tells_nothing_about_the_label(rows: list[dict[str, object]]) -> None:
    texts, labels = [str(row["func"]) for row in rows], [int(str(row["target"])) for row in rows]
    vectorizer = CountVectorizer(token_pattern=r"\S+", lowercase=False, min_df=2)
    counts = vectorizer.fit_transform(texts[:3000])

    model = LogisticRegression(C=0.1, max_iter=2000).fit(counts, labels[:3000])

    assert f1_score(labels[3000:], model.predict(vectorizer.transform(texts[3000:]))) < 0.75


def test_no_two_functions_are_equal_even_after_renaming(rows: list[dict[str, object]]) -> None:
    assert len({renamed(str(row["func"])) for row in rows}) == len(rows)


def test_every_function_parses_without_an_error(rows: list[dict[str, object]]) -> None:
    parser = Parser(Language(tree_sitter_c.language()))

    broken = [row["func"] for row in rows if parser.parse(str(row["func"]).encode()).root_node.has_error]

    assert broken == []


def test_which_member_comes_first_says_nothing(rows: list[dict[str, object]]) -> None:
    first_is_vulnerable = sum(int(str(row["target"])) for row in rows[::2])

    # Five standard deviations of 2000 fair coins.
    assert abs(first_is_vulnerable - 1000) < 112


def test_each_kind_belongs_to_one_family_and_appears_as_often_as_configured(rows: list[dict[str, object]]) -> None:
    assert Counter(kind for kinds in KIND_WEIGHTS.values() for kind in kinds) == Counter(Kind)
    counts = Counter(family_of(Kind(str(row["kind"]))) for row in rows)
    for family, share in Shares().by_family().items():
        # Five standard deviations of a binomial share over 2000 pairs.
        assert abs(counts[family] / 4000 - share) < 5 * (share * (1 - share) / 2000) ** 0.5


def test_several_weaknesses_appear(rows: list[dict[str, object]]) -> None:
    expected = {78, 89, 121, 125, 134, 190, 327, 415, 416, 476, 787}
    assert {row["cwe"] for row in rows} == {f"CWE-{number}" for number in expected}


def test_a_family_without_a_share_does_not_appear() -> None:
    only_text = Shares(both=0, text=1, graph=0)

    kinds = {Kind(str(row["kind"])) for row in generate(functions=200, seed=5, shares=only_text)}

    assert {family_of(kind) for kind in kinds} == {Family.TEXT}


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    write_jsonl(here, functions=200, seed=4)
    code = (
        "import sys; from pathlib import Path; from trainers.demo_data.generator import write_jsonl; "
        "write_jsonl(Path(sys.argv[1]), functions=200, seed=4)"
    )
    environment = {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code, str(there)], check=True, env=environment)

    assert here.read_bytes() == there.read_bytes()
    assert [json.loads(line) for line in here.read_text().splitlines()] == list(generate(functions=200, seed=4))


def test_another_seed_gives_other_functions() -> None:
    first, second = ({row["func"] for row in generate(functions=100, seed=seed)} for seed in (1, 2))

    assert not first & second


@pytest.mark.parametrize("functions", [-2, 0, 1, 7])
def test_an_odd_or_empty_number_of_functions_is_refused_before_the_first_row(functions: int) -> None:
    with pytest.raises(SpecError, match="even number"):
        generate(functions=functions, seed=1)


def test_all_mistakes_of_the_shares_are_reported_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        Shares(both=1.2, text=-0.1, graph=0.2)

    assert [problem.where for problem in caught.value.problems] == ["both", "text", "both + text + graph"]


def test_a_refused_request_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        write_jsonl(tmp_path / "out.jsonl", functions=3, seed=1)

    assert list(tmp_path.iterdir()) == []
