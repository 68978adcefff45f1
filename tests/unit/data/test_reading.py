"""Reading labelled functions: one bad row is left out and listed, a mistake of many is refused and said once."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.inspection import Refusal
from tests.unit.data.source_files import F, G, function, read, reasons
from trainers.data.read.rows import usable_rows

GOOD: dict[str, Any] = {"func": "int f() { return 1; }", "target": 1}
Write = Callable[..., Path]


def problems_of(path: Path, **config: Any) -> tuple[InputError, ...]:
    with pytest.raises(DataError) as caught:
        usable_rows([path], PrepareConfig(**config))
    return caught.value.problems


def refusal_of(path: Path, **config: Any) -> Refusal:
    (refusal,) = read(path, **config).refusals
    return refusal


def test_every_bad_row_is_left_out_for_its_reason_and_listed_with_its_line(write_rows: Write):
    path = write_rows(
        GOOD,
        b"{not json",
        b'{"func": "\xff", "target": 0}',
        b"[1, 2]",
        {"target": 0},
        {"func": "int g() {}"},
        {"func": "int g() {}", "target": 2},
        {"func": "int g() {}", "target": "maybe"},
        {"func": " \n ", "target": 0},
        {"func": 7, "target": 0},
        b'{"func": "x \\ud800", "target": 0}',
        {"func": "int h() {}", "target": 0, "project": {"name": "x"}},
        {"func": "/* moved */", "target": 0},
        {"func": "int h();", "target": 0},
        {"func": 'int h() { char *s = "\0"; }', "target": 0},
        {"func": "x" * 1_001, "target": 0},
    )

    reading = read(path)

    assert [row.line for row in reading.rows] == [1]
    assert reasons(reading) == {
        "malformed": ["line 2", "line 4"],
        "undecodable": ["line 3", "line 11", "line 15"],
        "empty": ["line 5", "line 9"],
        "no_token": ["line 13"],
        "no_function": ["line 14"],
        "no_label": ["line 6"],
        "wrong_label": ["line 7", "line 8"],
        "wrong_value": ["line 10", "line 12"],
        "too_long": ["line 16"],
    }


def test_up_to_one_row_in_a_hundred_may_be_left_out_and_the_share_can_be_set(write_rows: Write):
    good = [{"func": function(number), "target": 1} for number in range(99)]
    one = write_rows(*good, {"func": "", "target": 0})

    assert len(usable_rows([one], PrepareConfig()).rows) == 99
    assert refusal_of(one, max_left_out_share=0).config == ["max_left_out_share: 0.01"]
    two = write_rows(*good, {"func": "", "target": 0}, {"func": "//", "target": 0})
    refusal = refusal_of(two)
    assert (refusal.where, refusal.config) == ("2 of 101 rows", ["max_left_out_share: 0.02"])
    assert "empty 1, no_token 1" in refusal.found
    assert read(two, max_left_out_share=0.02).refusals == []


def test_what_a_setting_leaves_out_does_not_count_as_a_mistake(write_rows: Write):
    path = write_rows(GOOD, {"func": "x" * 1_001, "target": 0}, {**GOOD, "func": G, "language": "Java"})

    reading = read(path, max_left_out_share=0)

    assert (reading.refusals, reading.left_out.mistakes) == ([], 0)


def test_a_refusal_says_what_was_found_what_was_expected_and_what_to_do_for_each_row(write_rows: Write):
    _, problem = problems_of(write_rows(GOOD, {"func": "int g() {}", "target": "maybe"}))

    assert problem == InputError(
        where="line 2",
        found="target 'maybe'",
        expected="1, true, yes, vulnerable … or 0, false, no, safe …",
        fix="say what the value means: labels: {vulnerable: [VALUE], safe: [VALUE]}",
    )


def test_a_mistake_of_all_rows_is_said_once(write_rows: Write):
    rows = [{"func": function(number), "target": "high"} for number in range(250)]

    problems = problems_of(write_rows(*rows))

    assert [problem.where for problem in problems] == ["250 of 250 rows", "all 250 rows"]
    assert "target 'high' (250 rows)" in problems[1].found
    assert 'labels: {vulnerable: [], safe: []}  # sort in: "high"' in problems[0].fix


def test_a_mistake_of_many_rows_is_summed_up_and_its_first_rows_are_listed(write_rows: Write):
    problems = problems_of(write_rows(GOOD, *[{"func": "", "target": 0}] * 500))

    assert [problem.where for problem in problems] == [
        *["500 of 501 rows", "500 of 501 rows"],
        *[f"line {line}" for line in range(2, 7)],
    ]


def test_a_column_that_no_row_has_is_told_once_with_those_there_and_the_line_that_names_it(write_rows: Write):
    rows = [{"body": function(number), "bad": number % 2} for number in range(250)]

    func, target = read(write_rows(*rows)).refusals

    assert (func.where, func.config) == ("all 250 rows", ["fields: {func: body}"])
    assert "'body', 'bad'" in func.found
    assert target.config == ["fields: {target: bad}"]
    assert refusal_of(write_rows(*[{"func": F, "y n": 1}, {"func": G, "y n": 0}])).config == ['fields: {target: "y n"}']
    assert read(write_rows(*rows), fields={"func": "body", "target": "bad"}).refusals == []


def test_an_id_that_one_file_gives_to_two_functions_leaves_the_second_out(write_rows: Write):
    path = write_rows({**GOOD, "id": "a"}, {"func": G, "target": 0, "id": "a"}, {**GOOD, "id": "a"})

    reading = read(path)

    assert [row.line for row in reading.rows] == [1, 3]
    assert reasons(reading) == {"repeated_id": ["line 2"]}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xc2\xa0\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)

    assert "no rows" in refusal_of(path).found


def test_a_missing_file_and_a_cut_archive_are_distinguished_from_bad_rows(tmp_path: Path):
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(json.dumps(GOOD).encode() * 100)[:-20])

    assert "No such file" in refusal_of(tmp_path / "nowhere.jsonl").found
    assert "cut off" in refusal_of(cut).found


def test_a_compressed_file_is_recognised_by_its_content(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode()))

    assert read(path).read == 1


def test_a_byte_order_mark_and_blank_lines_do_no_harm(write_rows: Write):
    path = write_rows(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), b"", {"func": "int g() {}", "target": 0})

    assert [row.line for row in read(path).rows] == [1, 3]


@pytest.mark.parametrize(
    "record",
    [
        {"func": "int f() {}", "target": 1, "project": "qemu", "commit_id": "c1", "idx": 7},
        {"func_before": "int f() {}", "vul": 1, "project": "qemu", "commit_id": "c1", "CWE ID": "CWE-1", "id": "7"},
        {"func": "int f() {}", "target": 1, "project": "qemu", "commit_id": "c1", "cwe": ["CWE-1"], "idx": 7},
        {"func": "int f() {}", "label": True, "project": "qemu", "commit": "c1", "id": 7},
        {"code": "int f() {}", "vul": "1", "project": "qemu", "commit": "c1", "id": 7},
    ],
    ids=["devign", "bigvul", "primevul", "label", "code"],
)
def test_published_layouts_are_recognised(write_rows: Write, record: dict[str, Any]):
    (row,) = read(write_rows(record)).rows

    assert (row.func, row.label, row.project, row.commit, row.id) == ("int f() {}", 1, "qemu", "c1", "7")
    assert row.cwe in (None, "CWE-1")


def test_the_spec_s_field_names_win_over_recognised_ones(write_rows: Write):
    record = {"func": "int f() {}", "text": "int g() {}", "target": 0, "bad": 1}

    (row,) = read(write_rows(record), fields={"func": "text", "target": "bad"}).rows

    assert (row.func, row.label) == ("int g() {}", 1)


def test_a_column_that_the_spec_names_but_no_row_has_is_reported_by_its_name(write_rows: Write):
    assert "no column body among 'func', 'target'" in refusal_of(write_rows(GOOD), fields={"func": "body"}).found


def test_line_endings_are_made_one_and_comments_stay(write_rows: Write):
    (row,) = read(write_rows({"func": "\r\nint f() {\r\n// why\r}\n", "target": 0})).rows

    assert row.func == "int f() {\n// why\n}"


def test_functions_that_are_too_long_are_left_out_and_counted(write_rows: Write):
    reading = read(write_rows(GOOD, {"func": "x" * 1_001, "target": 0}))

    assert (len(reading.rows), reading.left_out.ids, reading.read) == (1, {"line-2"}, 2)


def test_rows_without_id_are_named_by_their_line(write_rows: Write):
    assert [row.id for row in read(write_rows(GOOD, {**GOOD, "target": 0})).rows] == ["line-1", "line-2"]


@pytest.mark.parametrize(
    "func",
    [
        *[
            "A::~A() noexcept { x = 1; }",
            "A::A(int a) : b(a), c{1} { x = 1; }",
            "bool operator==(A a, A b) { return 1; }",
        ],
        *["template <typename T> auto f(T a) -> decltype(a) { return a; }", "PHP_FUNCTION(f)\n{\n return;\n}"],
        *["#ifdef A\nint f(int a)\n#else\nint f(long a)\n#endif\n{ return a; }", "int f(a) int a;\n{\n return a;\n}"],
        *["private int\nf(uint32 a)\n{\n return a; }", "public const char *f(struct s *a) { return 0; }"],
        *["protected void f(void) { x = 1; }", "private int f(a) { return g(sizeof(a)); }"],
        *["SYSCALL_DEFINE1(f, int, a)\n{\n return a; }", "__attribute__((cold)) void f(void) { x(); }"],
        *["STATIC\nCK_RV\nC_INITIALIZE\n{ return 1; }", "static std::map<int, int> f(T a = {}) { return a; }"],
        *["int f(int a) { if (a) { return 1;", 'extern "C" { int f(void) { return 1; } }', "/* why */ main() {}"],
    ],
)
def test_functions_of_every_style_are_functions_also_where_their_end_is_cut_off(write_rows: Write, func: str):
    assert len(read(write_rows({"func": func, "target": 1})).rows) == 1


@pytest.mark.parametrize(
    ("func", "reason"),
    [
        *[
            ("int f(int);", "no_function"),
            ("#define X(a) { a }", "no_function"),
            ("x", "no_function"),
            (";", "no_function"),
        ],
        *[("def f(x):\n    return {}", "no_function"), ("public int g() { return 1; }", "no_function")],
        *[("@Override\nint g() { return 1; }", "no_function"), ("class A(object):\n x = f({})", "no_function")],
        *[("class A extends B { int f() { return 1; } }", "no_function"), ("fun f(a: Int) { g(a) }", "no_function")],
        *[("int f(String a) throws E { g(a); }", "no_function"), ("pub fn f(a: i32) { g(a) }", "no_function")],
        *[("<?php function f($a) { g($a); }", "no_function"), ("int f(int a); /* { */", "no_function")],
        *[("class A { int f(int); };", "not_parsed"), ("struct __attribute__((packed)) s { int a; };", "not_parsed")],
        *[("static DEFINE_X(f) = { 1 };", "not_parsed"), ("namespace a { int b; }", "not_parsed")],
        *[("function f(x) { return x; }", "no_function"), ("func (s *T) f(x int) int { return x }", "no_function")],
        *[("struct s { int a; };", "not_parsed"), ("{ int a; }", "not_parsed"), ("if (a) { b(); }", "not_parsed")],
        *[("nan", "empty"), ("// TODO", "no_token"), ("/* never closed", "no_token")],
    ],
)
def test_what_is_no_function_is_left_out(write_rows: Write, func: str, reason: str):
    assert list(reasons(read(write_rows({"func": func, "target": 1})))) == [reason]
