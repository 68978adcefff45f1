"""What `import cellgate` and the command line load, and that every command is where the list has it."""

import subprocess
import sys
from importlib import import_module

import pytest
import typer.main
from typer.testing import CliRunner

import cellgate
from cellgate.cli.commands import ENTRIES, load_command

HEAVY = {
    *("alembic", "celery", "fastapi", "httpx", "pydantic", "redis", "sqlalchemy", "torch", "uvicorn", "yaml"),
    *("service", "worker", "trainers", "migrations"),
}


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded when `code` ends, or exits."""
    ended = "import atexit, sys; atexit.register(lambda: print(*{name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{ended}; {code}", *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_cellgate_loads_none_of_what_its_names_need() -> None:
    assert loaded_by("import cellgate") & {*HEAVY, "typer", "rich"} == set()


def test_the_public_surface_is_this_list_and_each_name_can_be_imported() -> None:
    assert sorted(cellgate.__all__) == [
        "AsyncClient",
        "Client",
        "ClientError",
        "Damaged",
        "NotIdentified",
        "OtherRelease",
        "Problem",
        "Refused",
        "ServerAway",
        "UnusableProxy",
    ]
    assert {name: getattr(cellgate, name).__name__ for name in cellgate.__all__} == {
        name: name for name in cellgate.__all__
    }
    assert set(cellgate.__all__) <= set(dir(cellgate))


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Server'"):
        _ = cellgate.Server


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_neither_the_client_nor_the_server(option: str) -> None:
    assert loaded_by("from cellgate.cli.main import main; main()", option) & HEAVY == set()


@pytest.mark.parametrize("name", ENTRIES)
def test_a_command_has_the_help_that_the_list_shows(name: str) -> None:
    command = load_command(name)
    assert command.help.partition("\n")[0] == ENTRIES[name].help


def test_no_command_is_missing_in_the_list() -> None:
    modules = {entry.module for entry in ENTRIES.values()}
    defined = {
        name
        for module in modules
        for name in typer.main.get_group(__import__(f"cellgate.cli.{module}", fromlist=["app"]).app).commands
    }
    assert defined == set(ENTRIES)


@pytest.mark.parametrize("module", ["cellgate.cli.main", "service.commands.app", "trainers.commands.app"])
def test_every_command_has_a_short_option_for_its_help(module: str) -> None:
    app = import_module(module).app

    # What is handed over becomes another process, whose commands are among these modules'.
    handed_over = {name for name, entry in ENTRIES.items() if entry.module == "local"} if "cli" in module else set()
    for arguments in (["-h"], *([name, "-h"] for name in set(typer.main.get_command(app).commands) - handed_over)):
        shown = CliRunner().invoke(app, arguments)
        if shown.exit_code:
            raise AssertionError(f"{arguments}: {shown.output}")
        assert "Usage:" in shown.output
