"""A bundle opened to score files beside other processes."""

from pathlib import Path

import torch

from cellgate.contract.bundle import BundleManifest
from trainers.bundle.bundle import Bundle


def open_for_scan(path: Path, manifest: BundleManifest) -> Bundle:
    """Return a bundle that computes with one thread: threads that wait for each other do so in a loop.

    Args:
        path: The bundle's folder.
        manifest: Its manifest, against which its files were checked.

    Raises:
        DataError: It scores otherwise here than where it was made.
        SpecError: A text model cannot be loaded by this version of its library.
    """
    torch.set_num_threads(1)
    bundle = Bundle.load(path, manifest)
    bundle.self_test()
    return bundle
