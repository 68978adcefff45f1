"""What a node of an imported graph means: token and features from its label and its source text."""

import pytest

from trainers.data.imported_graphs.code import Meaning, meaning_of


@pytest.mark.parametrize(
    ("code", "operator"),
    [
        ("* buffer = opaque", "="),
        ("a = b == c", "="),
        ("x ? y + 1 : z", "?"),
        ("f(a = 1) == g(b)", "=="),
        ("a + b * c", "+"),
        ("&s->count", "&"),
        ("s->count", "->"),
        ("s->f(a)->b", "->"),
        ("*p++", "*"),
        ("-a", "-"),
        ("a - -b", "-"),
        ("i++", "++"),
        ("(a + b) * c", "*"),
        ("a[i + 1] << 2", "<<"),
    ],
)
def test_an_expression_has_the_operator_that_binds_least_outside_all_brackets(code: str, operator: str):
    assert meaning_of("CALL", code) == Meaning(token=operator, operator=operator)


def test_a_call_by_name_has_the_name_as_its_api():
    assert meaning_of("CALL", "memcpy(dst, src + 1, n)") == Meaning(token="memcpy", api="memcpy")


def test_a_call_through_a_member_has_the_member_as_token_and_no_api():
    assert meaning_of("CALL", "s->read(s, n)") == Meaning(token="read")


@pytest.mark.parametrize(
    ("label", "code", "data_type", "name"),
    [
        ("LOCAL", "AVFrame * frame", "AVFrame*", "frame"),
        ("METHOD_PARAMETER_IN", "const uint8_t *buf", "const uint8_t*", "buf"),
        ("LOCAL", "int table[10]", "int[]", "table"),
        ("IdentifierDeclStatement", "unsigned int n = a * b;", "unsigned int", "n"),
        ("LOCAL", "struct item **x", "struct item**", "x"),
    ],
)
def test_a_declaration_has_its_type_and_its_name(label: str, code: str, data_type: str, name: str):
    assert meaning_of(label, code) == Meaning(token=name, data_type=data_type, declares=name)


@pytest.mark.parametrize(
    ("label", "code", "meaning"),
    [
        ("LITERAL", "0x1F", Meaning(token="0x1F", literal="0x1F")),
        ("LITERAL", '"%s, %d"', Meaning(literal='""')),
        ("LITERAL", "'a'", Meaning(token="'a'", literal="'a'")),
        ("IDENTIFIER", "NULL", Meaning(token="NULL", literal="NULL")),
        ("IDENTIFIER", "<unknown> ERANGE", Meaning(token="ERANGE")),
        ("LOCAL", "<unknown> ERANGE", Meaning(token="ERANGE")),
        ("FIELD_IDENTIFIER", "size", Meaning(token="size")),
        ("BLOCK", "<empty>", Meaning()),
        ("BLOCK", "{\n int a = f(b);\n}", Meaning(token="{")),
        ("CONTROL_STRUCTURE", "while (a) b();", Meaning(token="while")),
        ("RETURN", "return a + b;", Meaning(token="return")),
        ("METHOD_RETURN", "RET", Meaning(token="RET")),
        ("LOCAL", "* =", Meaning(token="*")),
        ("CALL", "(((", Meaning(token="(")),
        ("CALL", ") ) f", Meaning(token=")")),
    ],
)
def test_every_other_node_has_its_first_token(label: str, code: str, meaning: Meaning):
    assert meaning_of(label, code) == meaning
