"""GPUs are lent to one run at a time; a stand-in for nvidia-smi prints the output of a machine with GPUs."""

import os
import queue
from pathlib import Path

import pytest

from service.settings import Settings
from worker import devices
from worker.devices import Devices, find_devices


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder whose file `used` holds the MiB in use on every GPU, one line for each look."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in\n--query-gpu=uuid) printf "GPU-a\\nGPU-b\\n";;\n'
        f'*) head -n1 "{tmp_path}/used"; sed -i 1d "{tmp_path}/used";;\nesac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def test_without_gpus_every_run_has_the_cpu_and_slots_are_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = find_devices(Settings())

    with found.lend() as first, found.lend() as second:
        assert (first, second) == (None, None)
    assert found.slots(4) == 4


def test_all_gpus_that_there_are_are_lent_one_to_a_run(smi: Path) -> None:
    (smi / "used").write_text("0\n" * 4)
    found = find_devices(Settings())

    with found.lend() as first, found.lend() as second:
        assert {first, second} == {"GPU-a", "GPU-b"}
        with pytest.raises(queue.Empty), found.lend():
            pass
    assert found.slots(8) == 2


@pytest.mark.usefixtures("smi")
@pytest.mark.parametrize(
    ("visible", "settings", "expected"),
    [
        ("2,5", {}, ("2", "5")),
        ("", {}, ()),
        ("-1", {}, ()),
        ("2,5", {"gpus": ["7", "7"]}, ("7", "7")),
        ("2,5", {"device": "cpu"}, ()),
    ],
)
def test_what_settings_and_environment_name_goes_before_what_is_there(
    monkeypatch: pytest.MonkeyPatch, visible: str, settings: dict[str, object], expected: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert find_devices(Settings.model_validate(settings)).gpus == expected


def test_a_gpu_is_lent_again_only_when_the_memory_of_its_last_run_is_free(smi: Path) -> None:
    # Before the run, then three looks after it; the fourth would be one too many.
    (smi / "used").write_text("10\n900\n500\n10\nnobody looks here\n")
    one = Devices(["0"])

    with one.lend():
        pass

    assert (smi / "used").read_text() == "nobody looks here\n"
    (smi / "used").write_text("10\n10\n")
    with one.lend() as gpu:
        assert gpu == "0"


def test_memory_that_is_never_freed_does_not_hold_the_slot_for_ever(smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "FREE_TIMEOUT_S", 0.0)
    (smi / "used").write_text("10\n" + "900\n" * 50)
    one = Devices(["0"])

    with one.lend():
        pass
    (smi / "used").write_text("900\n" * 4)

    with one.lend() as gpu:
        assert gpu == "0"
