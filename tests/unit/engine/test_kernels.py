"""Which kernels a run may use."""

import os
from collections.abc import Iterator

import pytest
import torch

from cellgate.contract.configs import Precision
from cellgate.contract.specs import Device
from trainers.engine.hardware import set_up_hardware


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    yield
    _set_up(deterministic=False)


def _set_up(*, deterministic: bool) -> None:
    set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=0, deterministic=deterministic)


@pytest.mark.parametrize("deterministic", [True, False])
def test_only_a_deterministic_run_is_kept_to_deterministic_kernels(deterministic: bool) -> None:
    # As another run in the same process left it.
    _set_up(deterministic=not deterministic)
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)

    _set_up(deterministic=deterministic)

    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert torch.backends.cudnn.deterministic is deterministic
    assert torch.backends.cudnn.benchmark is False
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if deterministic else None)


def test_a_workspace_that_was_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")

    _set_up(deterministic=True)

    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
