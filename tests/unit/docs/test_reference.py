"""Every setting, field, route, code, state and check has its row in docs/reference, and no row outlives its thing."""

import re

import pytest
from pydantic.fields import FieldInfo

from tests.unit.docs.pages import REFERENCE, REPOSITORY, Row, headings, read_table
from tests.unit.docs.registries import (
    NAMED,
    SPEC_SECTIONS,
    WITHOUT_SECTION,
    bounds,
    choices,
    default_text,
    error_codes,
    gate_checks,
    routes,
    setting_names,
    spec_classes,
    spec_fields,
)
from trainers.data.read.known_fields import KNOWN_FIELDS

SETTING_TABLES = (
    "Storage and network",
    "Access and limits",
    "Retention",
    "Limits of connections and requests",
    "Workers",
)


def _rows(page: str, heading: str) -> dict[str, Row]:
    """Return a table's rows by name; a name that stands twice is a mistake."""
    rows = read_table(REFERENCE / f"{page}.md", heading)
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), f"{page}.md, {heading}: a name has two rows"
    return {row.name: row for row in rows}


def _settings() -> dict[str, Row]:
    return {name: row for heading in SETTING_TABLES for name, row in _rows("settings", heading).items()}


def _choices_in(allowed: str) -> set[str]:
    """Return the choices that a cell names, or those of the gate's table that it links to."""
    linked = set(_rows("gate", "Checks")) if "(gate.md#checks)" in allowed else set()
    return linked | set(re.findall(r"`([^`]+)`", allowed))


def _expect_same(documented: set[str], existing: set[str], page: str) -> None:
    assert existing - documented == set(), f"these lack a row in docs/reference/{page}.md"
    assert documented - existing == set(), f"these rows of docs/reference/{page}.md name things that are gone"


@pytest.mark.parametrize(("page", "heading"), NAMED)
def test_every_value_has_its_row_and_every_row_its_value(page: str, heading: str) -> None:
    _expect_same(set(_rows(page, heading)), NAMED[page, heading], page)


@pytest.mark.parametrize(("page", "heading"), NAMED)
def test_every_row_says_what_its_value_means(page: str, heading: str) -> None:
    for name, row in _rows(page, heading).items():
        meaning = list(row.cells.values())[1]
        assert meaning, f"docs/reference/{page}.md, {heading}: {name} has no meaning"


def test_every_setting_has_its_row_and_every_row_its_setting() -> None:
    _expect_same(set(_settings()), set(setting_names()), "settings")


@pytest.mark.parametrize(("name", "field"), setting_names().items())
def test_a_setting_is_documented_with_its_default(name: str, field: FieldInfo) -> None:
    assert f"`{default_text(field)}`" in _settings()[name].cells["default"]


@pytest.mark.parametrize("section", SPEC_SECTIONS)
def test_every_field_of_a_spec_has_its_row_and_every_row_its_field(section: str) -> None:
    _expect_same(set(_rows("spec", section)), set(spec_fields(section)), "spec")


@pytest.mark.parametrize("section", SPEC_SECTIONS)
def test_a_field_is_documented_with_its_defaults_and_limits(section: str) -> None:
    for name, fields in spec_fields(section).items():
        cells = _rows("spec", section)[name].cells
        for field in fields:
            default = default_text(field)
            assert default is None or f"`{default}`" in cells["default"], f"{section}, {name}: default {default}"
            missing = [limit for limit in bounds(field) if "e+" not in limit and limit not in cells["allowed"]]
            assert not missing, f"{section}, {name}: {missing} not among what is allowed"
            assert _choices_in(cells["allowed"]) >= set(choices(field)), f"{section}, {name}"
        assert cells["meaning, and when to change it"], f"{section}, {name} has no meaning"


def test_every_class_of_a_spec_belongs_to_a_section() -> None:
    listed = {model for models in SPEC_SECTIONS.values() for model in models} | set(WITHOUT_SECTION)

    assert spec_classes() - listed == set(), "name the section of docs/reference/spec.md that lists its fields"


def test_no_section_of_the_spec_outlives_its_class() -> None:
    assert set(headings(REFERENCE / "spec.md")) == {"Fields of a spec", *SPEC_SECTIONS}


def test_every_route_has_its_row_with_the_scope_it_needs() -> None:
    rows = _rows("routes", "HTTP routes")

    _expect_same(set(rows), set(routes()), "routes")
    assert {name: row.cells["scope"].strip("`") for name, row in rows.items()} == routes()


def test_every_error_code_has_its_row_with_its_status_and_what_to_do() -> None:
    rows = _rows("errors", "Error codes")

    _expect_same(set(rows), set(error_codes()), "errors")
    for code, status in error_codes().items():
        assert status is None or rows[code].cells["status"] == str(status), code
        assert rows[code].cells["what to do"], code


def test_every_check_of_the_gate_is_documented_with_its_title_and_whether_it_blocks() -> None:
    rows = _rows("gate", "Checks")

    assert {name: (row.cells["title"], row.cells["blocks"]) for name, row in rows.items()} == gate_checks()


def test_the_recognised_names_of_a_file_s_fields_are_documented_in_the_order_in_which_they_are_looked_for() -> None:
    rows = read_table(REPOSITORY / "docs" / "data.md", "Field names")

    assert {row.name: tuple(re.findall(r"`([^`]+)`", row.cells["recognised"])) for row in rows} == KNOWN_FIELDS
