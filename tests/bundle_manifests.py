"""What stands in `bundle.json`, made by hand."""

from pathlib import Path
from typing import Any

from cellgate.contract.bundle import bundle_id, files_of

HASH = "sha256:" + "5" * 64


def part(folder: str) -> dict[str, Any]:
    """One model in a folder."""
    return {"folder": folder, "spec_hash": HASH, "temperature": 1.5}


def manifest_content(folder: Path, **changes: Any) -> dict[str, Any]:
    """A bundle of one text model, with the files that there are; the id fits."""
    content = {
        "schema_version": 1,
        "kind": "single",
        "members": [{"seed": 0, "transformer": part("seed-0/transformer"), "gnn": None, "fusion": None}],
        "text_weight": None,
        "graph_weight": None,
        "threshold": 0.4,
        "labels": {"0": "not_vulnerable", "1": "vulnerable"},
        "max_nodes": 2000,
        "dataset_id": HASH,
        "licence_notes": "none",
        "environment": {
            "python": "3.11",
            "packages": {},
            "platform": "test",
            "device": "cpu",
            "threads": 1,
            "precision": "fp32",
            "code_version": "0",
        },
        "agreement": {"functions": 1, "largest_difference": 0.0},
        "self_test": [{"source": "int f;", "probability": 0.5}],
        "files": {name: entry.model_dump() for name, entry in files_of(folder).items()},
        **changes,
    }
    return {**content, "id": bundle_id(content)}
