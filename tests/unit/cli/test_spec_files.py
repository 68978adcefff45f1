from pathlib import Path

import pytest

from cellgate.cli.spec_files import read_spec
from cellgate.contract.exit_codes import UsageError
from service.settings import load_settings


@pytest.mark.parametrize("text", ["name: demo\nseeds: [0, 1]\n", '{"name": "demo", "seeds": [0, 1]}'])
def test_yaml_and_json_say_the_same(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spec"
    path.write_text(text)
    assert read_spec(path) == {"name": "demo", "seeds": [0, 1]}


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"- a\n- b\n", "holds list, expected a mapping"),
        (b"", "holds NoneType, expected a mapping"),
        (b"name: [1, 2\n", "neither YAML nor JSON"),
        (b"\xff\xfe\x00name", "cannot be read"),
    ],
)
def test_a_file_that_holds_no_spec_is_named_with_what_it_holds(tmp_path: Path, content: bytes, reported: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=reported) as caught:
        read_spec(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-0", 0),
        ("0x1F", 31),
        ("1e-3", 0.001),
        ("2.5", 2.5),
        (".5", 0.5),
        ('"2026-01-31"', "2026-01-31"),
        ("'010'", "010"),
        ("4f2a91c", "4f2a91c"),
        ("1.2.3", "1.2.3"),
        ("C++", "C++"),
        ("9" * 30, int("9" * 30)),
        # More digits than are written as a number again.
        ("0x" + "f" * 5000, "0x" + "f" * 5000),
        # No pattern goes back over all of it for each underscore.
        ("1_" * 20_000 + "x", "1_" * 20_000 + "x"),
    ],
)
def test_a_plain_value_is_what_yaml_1_2_says(tmp_path: Path, text: str, value: object) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"value: {text}\n")

    found = read_spec(path)["value"]

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("name: 2026-01-31", 'line 1, /name: found 2026-01-31, which may be a date; write it in quotes: "2026-01-31"'),
        ("seeds: [0,\n 010]", 'line 2, /seeds/1: found 010, which may be an octal number; write it in quotes: "010"'),
        ("training: {epochs: 12:30}", "line 1, /training/epochs: found 12:30, which may be a number of base 60"),
        ("a/b: 1_000", "line 1, /a~1b: found 1_000, which may be a number"),
        ("a: 12_3.4_5", "found 12_3.4_5, which may be a number"),
        ("a: +1_", "found +1_, which may be a number"),
        ("rate: .nan", "line 1, /rate: found .nan, which may be no finite number; write a number"),
        ("rate: 1e999", "line 1, /rate: found 1e999; write a smaller number"),
        ("name: a\nseeds: [0]\nname: b", "line 3, /name: found a second time, first in line 1; keep one of them"),
        ('{"a": {"b": 1, "b": 1}}', "line 1, /a/b: found a second time, first in line 1"),
        ("name: !!python/object/apply:os.system [ls]", "/name: found the tag tag:yaml.org,2002:python/object"),
        ("a: &a [*a]", "line 1, /a/0: found an alias of what it stands in"),
        ("? [a]\n: b", "line 1, /: found a key that is no text"),
    ],
)
def test_a_value_with_two_readings_is_refused_with_its_line(tmp_path: Path, text: str, reported: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text)

    with pytest.raises(UsageError) as caught:
        read_spec(path)

    assert reported in str(caught.value)


def test_every_mistake_of_a_file_is_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("name: 2026-01-31\nseeds: [010]\nname: b\n")

    with pytest.raises(UsageError) as caught:
        read_spec(path)

    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "line 1, /name",
        "line 2, /seeds/0",
        "line 3, /name",
    ]


def test_aliases_and_merged_mappings_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n")

    assert read_spec(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}


def test_aliases_that_stand_for_billions_of_values_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    path.write_text("\n".join(lines))

    with pytest.raises(UsageError, match="more than 100000 values"):
        read_spec(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_spec(tmp_path / "nowhere.yaml")


def test_every_wrong_setting_is_reported_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(port=-1, slots=0)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["port", "slots"]
