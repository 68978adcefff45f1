"""Each file says how many of its lines lie in no function."""

from trainers.source_functions.division import Coverage, divide


def coverage(text: str, suffix: str = ".c") -> Coverage:
    return divide(text, suffix=suffix).coverage


def test_declarations_comments_directives_and_blank_lines_are_not_outside() -> None:
    text = (
        "#define A { x\n\n/* if (x) { } */\nint x[] = { 1,\n 2 };\nstruct s {\n int a;\n};\n"
        "int f(void)\n{\n}\n{ 1, 2 },\n"
    )

    assert coverage(text) == Coverage(lines=12, in_functions=3, outside=0, unparsed=0)


def test_statements_in_no_function_are_outside() -> None:
    # The test framework's macro hides a function's head.
    text = "UNITTEST_START\n  int i;\n  for (i = 0; i < 3; i++) {\n    f(i);\n\n  }\n  return 0;\nUNITTEST_STOP\n"

    assert coverage(text) == Coverage(lines=8, in_functions=0, outside=4, unparsed=0)


def test_a_brace_too_many_is_outside_and_did_not_parse() -> None:
    assert coverage("}\nint f(void) { }\n") == Coverage(lines=2, in_functions=1, outside=1, unparsed=1)


def test_a_line_with_parts_of_several_functions_counts_once() -> None:
    assert coverage("int f(void) { } int g(void) {\n} int h(void) { }").in_functions == 2


def test_an_empty_file_has_no_lines() -> None:
    assert coverage("") == Coverage(lines=0, in_functions=0, outside=0, unparsed=0)
