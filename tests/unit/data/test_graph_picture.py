"""`python -m trainers graph`: the picture and the JSON of one function's graph, and the error for a bad file."""

import json
from pathlib import Path

import pytest

from cellgate.contract.exit_codes import ExitCode
from trainers.__main__ import main
from trainers.data.pictures.layout import Layout, Wire, lanes_of, layout_of
from trainers.data.pictures.view import view_of

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
FALL_THROUGH = """int f(int k) {
    int x = 0;
    switch (k) {
    case 1:
        x = 1;
    default:
        x++;
    }
    return x;
}"""


def laid_out(source: str, *, every_node: bool = False) -> Layout:
    return layout_of(view_of(source), every_node=every_node)


def test_a_statement_is_a_row_with_its_line_and_its_text_without_what_is_inside():
    rows = laid_out(FALL_THROUGH).rows

    assert [(row.line, row.depth, row.text) for row in rows] == [
        (1, 0, "int f(int k)"),
        (2, 1, "int x = 0;"),
        (3, 1, "switch (k)"),
        (4, 2, "case 1:"),
        (5, 3, "x = 1;"),
        (6, 2, "default:"),
        (7, 3, "x++;"),
        (9, 1, "return x;"),
    ]


def test_a_loop_is_shown_by_its_head_and_a_do_loop_also_by_its_condition():
    rows = laid_out("void f() { for (i = 0; i < 9; i++) { do a(); while (x); } }").rows

    assert [row.text for row in rows] == [
        "void f()",
        "for (i = 0; i < 9; i++)",
        "i = 0",
        "i++",
        "do … while (x);",
        "a();",
    ]


def test_control_goes_to_the_next_row_or_takes_a_lane():
    layout = laid_out(FALL_THROUGH)

    assert layout.steps == [1, 2, 3, 4, 5, 6, 7]
    assert layout.jumps == [Wire(starts=(2,), ends=(5,))]


def test_many_jumps_of_a_switch_share_their_start_and_others_their_end():
    layout = laid_out("void f() { switch (k) { case 1: break; case 2: break; case 3: a(); default: ; } b(); }")
    switch = 1

    assert Wire(starts=(switch,), ends=(4, 6, 8)) in layout.jumps
    assert Wire(starts=(3, 5), ends=(10,)) in layout.jumps


def test_jumps_up_and_down_to_one_row_stay_apart():
    layout = laid_out("void f() { if (c) goto l; a(); b(); l: d(); goto l; }")

    assert [row.text for row in layout.rows][2::3] == ["goto l;", "l:"]
    assert Wire(starts=(2,), ends=(5,)) in layout.jumps
    assert Wire(starts=(7,), ends=(5,)) in layout.jumps


def test_a_value_goes_from_the_row_that_gives_it_to_the_rows_that_use_it():
    layout = laid_out(FALL_THROUGH)

    assert layout.values == [
        Wire(starts=(0,), ends=(2,), name="k"),
        Wire(starts=(1,), ends=(6,), name="x"),
        Wire(starts=(4,), ends=(6,), name="x"),
        Wire(starts=(6,), ends=(7,), name="x"),
    ]
    assert layout.own_values == {}


def test_a_member_is_named_with_what_it_hangs_on():
    layout = laid_out("void f(struct s *p) { p->n = 1; while (c) p->n++; }")

    assert Wire(starts=(1,), ends=(3,), name="p->n") in layout.values
    assert layout.own_values == {3: ["p->n"]}


def test_every_node_has_a_row_on_request():
    layout = laid_out("int f(int a) { return a + 1; }", every_node=True)

    assert [row.text for row in layout.rows if row.line == 1][-3:] == [
        "binary_expression  +",
        "identifier  a",
        "number_literal  1",
    ]
    assert layout.parents[0] == -1
    assert [layout.rows[leaf].text for leaf in layout.leaves][:2] == ["primitive_type  int", "identifier  f"]


def test_wires_in_one_lane_share_no_row_and_short_ones_are_inside():
    wires = [Wire(starts=(0,), ends=(9,)), Wire(starts=(1,), ends=(3,)), Wire(starts=(3,), ends=(5,))]

    assert lanes_of(wires) == [2, 0, 1]
    assert lanes_of([Wire(starts=(1,), ends=(2,)), Wire(starts=(4,), ends=(3,))]) == [0, 0]


@pytest.mark.parametrize("options", [[], ["--all"]])
@pytest.mark.parametrize("source", [FALL_THROUGH, ") ) a b", "int x = 1, y = x;", 'void f() { g("中$x$"); 变(\x01); }'])
def test_a_picture_of_any_text_is_a_png_file(tmp_path: Path, source: str, options: list[str]):
    (tmp_path / "f.c").write_text(source)

    code = main(["graph", str(tmp_path / "f.c"), "--png", str(tmp_path / "f.png"), *options])

    assert code == ExitCode.SUCCESS
    assert (tmp_path / "f.png").read_bytes().startswith(PNG_MAGIC)


def test_the_graph_in_words_names_kinds_lines_and_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "f.c").write_text(FALL_THROUGH)

    assert main(["graph", str(tmp_path / "f.c"), "--json"]) == ExitCode.SUCCESS

    graph = json.loads(capsys.readouterr().out)
    assert (graph["quality"], graph["truncated"]) == ("parsed", False)
    nodes = graph["nodes"]
    assert [node["node"] for node in nodes] == list(range(len(nodes)))
    update = next(node for node in nodes if node["kind"] == "update_expression")
    assert (update["token"], update["line"], update["operator"]) == ("++", 7, "++")
    values = [
        (edge["variable"], nodes[edge["from"]]["line"], nodes[edge["to"]]["line"])
        for edge in graph["edges"]
        if edge["type"] == "dfg"
    ]
    assert sorted(values) == [("k", 1, 3), ("x", 2, 7), ("x", 5, 7), ("x", 7, 9)]
    control = [
        (nodes[edge["from"]]["line"], nodes[edge["to"]]["line"]) for edge in graph["edges"] if edge["type"] == "cfg"
    ]
    assert control == [(1, 2), (2, 3), (3, 4), (3, 6), (4, 5), (5, 6), (6, 7), (7, 9)]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "No such file"),
        (b"int f() { return '\xff'; }", "byte 0xff at position 18"),
        (b" \n ", "nothing but white space"),
    ],
)
def test_a_file_without_a_function_is_reported_with_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, found: str
):
    file = tmp_path / "f.c"
    if content is not None:
        file.write_bytes(content)

    assert main(["graph", str(file), "--json"]) == ExitCode.DATA_ERROR

    recorded = capsys.readouterr()
    assert (str(file) in recorded.err, found in recorded.err, recorded.out) == (True, True, "")


def test_a_place_that_cannot_be_written_to_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "f.c").write_text(FALL_THROUGH)

    code = main(["graph", str(tmp_path / "f.c"), "--png", str(tmp_path / "no" / "f.png")])

    assert code == ExitCode.BAD_SPEC
    assert "cannot be written" in capsys.readouterr().err


def test_neither_picture_nor_words_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["graph", str(tmp_path / "f.c")]) == ExitCode.BAD_SPEC
    assert "--png" in capsys.readouterr().err
