"""Lines are weighed by leaving them out; several seeds speak as the mean of their probabilities."""

from trainers.bundle.attribution import MAX_OCCLUSIONS, Weight, occlusions, rank_occlusions

FUNCTION = """int f(char *p)
{
    // }
    if (p) {
        puts("{");
    }

    return *p;
}"""


def test_each_line_of_the_body_that_says_anything_is_left_out_once_and_its_braces_stay() -> None:
    lines = FUNCTION.split("\n")

    parts = occlusions(FUNCTION)

    assert [(part.start_line, part.end_line) for part in parts] == [(4, 4), (5, 5), (8, 8)]
    assert [part.source.split("\n") for part in parts] == [
        [*lines[:3], "{", *lines[4:]],
        [*lines[:4], "", *lines[5:]],
        [*lines[:7], "", *lines[8:]],
    ]


def test_a_function_on_one_line_has_nothing_to_leave_out() -> None:
    assert occlusions("int f(void) { return 0; }") == []


def test_a_long_function_is_left_out_in_so_many_runs_of_lines_at_most() -> None:
    body = [f"    a += {i};" for i in range(3 * MAX_OCCLUSIONS - 1)]

    parts = occlusions("\n".join(["int f(int a) {", *body, "}"]))

    assert len(parts) == MAX_OCCLUSIONS
    assert (parts[0].start_line, parts[0].end_line) == (2, 4)
    assert (parts[-1].start_line, parts[-1].end_line) == (len(body), len(body) + 1)


def test_what_the_verdict_loses_is_the_weight_and_only_what_adds_to_it_is_reported() -> None:
    parts = occlusions(FUNCTION)

    weights = rank_occlusions(parts, log_odds=2.0, without=[1.5, 2.5, -1.0])

    assert weights == (
        Weight(start_line=8, end_line=8, log_odds=3.0),
        Weight(start_line=4, end_line=4, log_odds=0.5),
    )
