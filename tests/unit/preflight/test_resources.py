"""Predicted memory and disk against what is there."""

from pathlib import Path

import pytest
import torch

from cellgate.contract.results import Memory
from trainers.engine.memory import MemoryWatch, available_memory, control_group_room
from trainers.preflight.resources import Need, check_disk, check_memory

GB = 10**9
NEED = Need(libraries=GB, training=6 * GB, data=2 * GB, predictions=GB, device=4 * GB, checkpoint=2 * GB)


@pytest.mark.parametrize(
    ("host", "device", "verdict"),
    [(13, 6, "pass"), (12, 6, "warn"), (9, 6, "fail"), (13, 4.5, "warn"), (13, 3, "fail"), (13, 0, "fail")],
)
def test_more_than_all_memory_fails_and_more_than_four_fifths_warns(host: float, device: float, verdict: str) -> None:
    check = check_memory("gnn", NEED, Memory(host_bytes=int(host * GB), device_bytes=int(device * GB)))

    assert (check.name, check.verdict) == ("gnn_memory", verdict)
    assert "10.00 GB of host memory predicted" in check.detail
    assert bool(check.fix) is (verdict != "pass")


@pytest.mark.parametrize(("free", "verdict"), [(7, "pass"), (6, "warn"), (4, "fail")])
def test_two_checkpoints_and_the_predictions_must_fit_onto_the_disk(free: int, verdict: str) -> None:
    assert check_disk("gnn", NEED, free * GB).verdict == verdict


def _group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def test_the_room_of_every_control_group_above_counts(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("0::/jobs/one\n")
    _group(root)
    _group(root / "jobs", memory__max="9000", memory__current="1000", memory__stat="anon 5\ninactive_file 200\n")
    _group(root / "jobs" / "one", memory__max="max", memory__current="700", memory__stat="inactive_file 0\n")

    assert control_group_room(membership, root) == [8200]


def test_control_groups_of_version_1_count_too(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("5:cpu:/x\n4:memory:/docker/abc\n")
    # In a container the path is the host's, and the own group is at the root.
    _group(
        root / "memory",
        memory__limit_in_bytes="5000",
        memory__usage_in_bytes="4000",
        memory__stat="inactive_file 1\ntotal_inactive_file 300\n",
    )

    assert control_group_room(membership, root) == [1300]


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert control_group_room(tmp_path / "nowhere", tmp_path) == []


def test_what_is_available_is_no_more_than_the_machine_has() -> None:
    available = available_memory(torch.device("cpu"))

    assert 0 < available.host_bytes < 2**50
    assert available.device_bytes == 0


def test_a_watch_sees_a_peak_that_is_gone_when_it_ends() -> None:
    with MemoryWatch(torch.device("cpu")) as watch:
        held = torch.ones(25_000_000)
        del held

    assert watch.host_bytes == pytest.approx(100e6, rel=0.2)
