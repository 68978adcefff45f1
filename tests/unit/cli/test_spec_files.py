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


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_spec(tmp_path / "nowhere.yaml")


def test_every_wrong_setting_is_reported_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(port=-1, slots=0)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["port", "slots"]
