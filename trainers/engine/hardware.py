"""The device, its precision and its randomness: set up once per process, before the model is built."""

import os
import random
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator

from cellgate.contract.configs import Precision
from cellgate.contract.errors import InputError, SpecError
from cellgate.contract.results import Environment
from cellgate.contract.specs import Device
from trainers.engine.environment import describe_environment


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a run computes with.

    Args:
        accelerator: Device placement, mixed precision, gradient scaling and clipping, processes.
        precision: What `auto` came to.
        threads: CPU threads of this process.
    """

    accelerator: Accelerator
    precision: Precision
    threads: int

    @property
    def device(self) -> torch.device:
        """Where tensors live."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def device_name(self) -> str:
        """The device in words."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"

    def describe(self) -> Environment:
        """Return versions, platform, device, threads and precision, as a result has them."""
        return describe_environment(device=self.device_name, threads=self.threads, precision=self.precision.value)


def set_up_hardware(
    *, device: Device, precision: Precision, threads: int, seed: int, deterministic: bool = False
) -> Hardware:
    """Choose device and precision, limit the threads and seed every generator.

    Args:
        deterministic: Use only kernels that give the same bits each time.

    Raises:
        SpecError: This machine lacks the GPU or the precision of the spec.
    """
    torch.set_num_threads(threads)
    problems = find_hardware_problems(device=device, precision=precision)
    if problems:
        raise SpecError("this machine lacks what the spec requires", problems)
    on_gpu = _has_gpu(device)
    _choose_kernels(deterministic=deterministic)
    chosen = _resolve(precision, on_gpu=on_gpu)
    accelerator = Accelerator(cpu=not on_gpu, mixed_precision="no" if chosen is Precision.FP32 else chosen.value)
    seed_everything(seed)
    return Hardware(accelerator=accelerator, precision=chosen, threads=threads)


def find_hardware_problems(*, device: Device, precision: Precision) -> list[InputError]:
    """Return the mistakes of a spec that this machine cannot run."""
    on_gpu = _has_gpu(device)
    problems = []
    if device is Device.CUDA and not on_gpu:
        problems.append(
            InputError(where="/device", found="cuda, but no GPU", expected="a CUDA device", fix="use auto or cpu")
        )
    if precision is Precision.FP16 and not on_gpu:
        problems.append(
            InputError(where="/training/precision", found="fp16 on the CPU", expected="a GPU", fix="use auto or fp32")
        )
    return problems


def _choose_kernels(*, deterministic: bool) -> None:
    """Allow all kernels, or only those that give the same bits each time; an operation without one is then an error.

    What they cost depends on the model and is to be measured on the GPU that is used: gathers and sums over edges,
    of which a graph model is made, lose their atomic additions, and cuDNN does not look for the fastest kernel.

    Source:
        PyTorch, "Reproducibility": https://docs.pytorch.org/docs/stable/notes/randomness.html.
    """
    if deterministic:
        # Read when CUDA is first used, which is after this.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = False


def _has_gpu(device: Device) -> bool:
    return torch.cuda.is_available() and device is not Device.CPU


def _resolve(precision: Precision, *, on_gpu: bool) -> Precision:
    if precision is not Precision.AUTO:
        return precision
    return Precision.BF16 if on_gpu and torch.cuda.is_bf16_supported() else Precision.FP32


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy, torch and every GPU."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
