from pathlib import Path

import pytest

from worker.__main__ import main


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLGATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CELLGATE_REDIS_URL", "redis://127.0.0.1:1/0")


@pytest.mark.parametrize("role", ["run", "reconciler"])
def test_a_database_without_our_schema_is_refused_with_what_to_do(
    role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([role]) == 3
    assert "run `cellgate migrate`" in capsys.readouterr().err


def test_a_worker_without_a_broker_says_which_setting_names_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CELLGATE_REDIS_URL")

    assert main(["run"]) == 2
    assert "CELLGATE_REDIS_URL is not set" in capsys.readouterr().err


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CELLGATE_SLOTS", "many")

    assert main(["run"]) == 2
    assert "slots" in capsys.readouterr().err


def test_each_wrong_setting_is_one_line_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CELLGATE_SLOTS", "zero")
    monkeypatch.setenv("CELLGATE_LEASE_S", "0")

    assert main(["run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert [name for name, line in zip(("slots", "lease_s"), lines, strict=True) if f"{name}: " not in line] == []
