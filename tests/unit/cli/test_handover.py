"""How `cellgate` starts the server's and the trainers' packages."""

import os
import sys
from pathlib import Path

import pytest

from cellgate.cli.handover import require_extra
from cellgate.contract.exit_codes import UsageError
from cellgate.contract.processes import module_command, module_environment, server_folder

REPOSITORY = Path(__file__).resolve().parents[3]


def test_in_a_checkout_the_packages_lie_beside_cellgate() -> None:
    assert server_folder() == REPOSITORY


def test_a_command_is_absolute_and_keeps_the_current_folder_off_the_path() -> None:
    command = module_command("worker", "run")
    assert command == [sys.executable, "-P", "-m", "worker", "run"]
    assert os.path.isabs(command[0])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, [str(REPOSITORY)]),
        ({"PYTHONPATH": "/mine"}, [str(REPOSITORY), "/mine"]),
        # An empty entry is the current folder.
        ({"PYTHONPATH": f"{os.pathsep}/mine{os.pathsep}"}, [str(REPOSITORY), "/mine"]),
        ({"PYTHONPATH": f"/mine{os.pathsep}{REPOSITORY}"}, [str(REPOSITORY), "/mine"]),
    ],
)
def test_the_packages_come_first_on_the_path_of_every_child(before: dict[str, str], after: list[str]) -> None:
    environment = module_environment({**before, "HOME": "/home/me"})
    assert environment == {"HOME": "/home/me", "PYTHONPATH": os.pathsep.join(after)}


def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellgate.cli.handover.find_spec", lambda name: None if name == "celery" else object())

    with pytest.raises(UsageError) as one:
        require_extra("server", "cellgate serve")
    with pytest.raises(UsageError) as several:
        require_extra("server", "cellgate up", install="server,worker,embedded")

    assert str(one.value) == (
        "`cellgate serve` needs cellgate[server] (celery not installed): pip install 'cellgate[server]'"
    )
    assert str(several.value) == (
        "`cellgate up` needs cellgate[server,worker,embedded] (celery not installed): "
        "pip install 'cellgate[server,worker,embedded]'"
    )


def test_what_is_installed_passes() -> None:
    require_extra("server", "cellgate serve")
