"""The form that does not change when identifiers are renamed."""

import pytest

from trainers.demo_data.renaming import renamed

pytestmark = pytest.mark.unit


def test_consistent_renaming_and_layout_do_not_change_the_form() -> None:
    assert renamed("int f(int a) { return a + g(a); }") == renamed("int h(int b)\n{\n  return b+k(b);\n}")


def test_which_variable_is_meant_changes_the_form() -> None:
    assert renamed("f(a, b); free(a); use(a);") != renamed("f(a, b); free(b); use(a);")


def test_keywords_numbers_and_strings_stay() -> None:
    assert renamed('return x + 16 + y("a b");') == 'return v0 + 16 + v1 ( "a b" ) ;'
