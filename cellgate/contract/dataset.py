"""`dataset.json`: the manifest of a prepared data set, whose hashes make it unchangeable."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cellgate.contract.artifacts import (
    DATASET_MANIFEST_NAME,
    DATASET_REPORT_NAME,
    FUNCTIONS_NAME,
    GRAPHS_NAME,
    VOCABULARY_NAME,
)
from cellgate.contract.configs import Split
from cellgate.contract.documents import Sha256
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.evidence import Baseline
from cellgate.contract.files import sha256_of_file, sha256_of_json
from cellgate.contract.results import SplitSummary

SCHEMA_VERSION = 1
# What the id stands for; the report follows from it.
CONTENT_NAMES = (FUNCTIONS_NAME, GRAPHS_NAME, VOCABULARY_NAME)
FILE_NAMES = (*CONTENT_NAMES, DATASET_REPORT_NAME)
# With fewer in gate, the 95 % interval of F1 is wider than ±0.04: both kinds of pre-flight warn.
ENOUGH_POSITIVES = 100
# Of each class in train. With 18 and with 120 vulnerable ones of Devign's, networks from scratch collapsed or ranked by
# chance, where linear models did not.
ENOUGH_TO_TRAIN = 200
# Share of a split's functions that have a near copy in train, beyond which both kinds of pre-flight warn.
MANY_NEAR_DUPLICATES = 0.02


def train_classes_detail(train: SplitSummary, linear: Baseline | None) -> str:
    """Return how many functions of the rarer class train has, and whether that can carry a network.

    Args:
        train: The split's size.
        linear: Scores of a bag of tokens on gate, which needs fewer; None where it was not measured.
    """
    fewest, name = rarer_class(train)
    detail = f"train has {fewest} {name} functions"
    if fewest >= ENOUGH_TO_TRAIN:
        return detail
    detail += f"; {ENOUGH_TO_TRAIN} are wanted, with fewer a network tends to collapse or to rank by chance"
    if linear is not None:
        detail += f". A linear model over tokens reaches AUROC {linear.auroc:.2f} and F1 {linear.f1:.2f} on gate"
    return detail


def rarer_class(split: SplitSummary) -> tuple[int, str]:
    """Return how many functions the rarer class of a split has, and what they are called."""
    others = split.rows - split.positives
    return (split.positives, "vulnerable") if split.positives <= others else (others, "other")


class FileEntry(BaseModel):
    """One file's hash and size."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    sha256: Sha256
    size_bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """The whole of dataset.json.

    `id` is the hash of the content files' hashes and of the settings in `prepare`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    schema_version: Literal[1]
    id: Sha256
    rows: int = Field(ge=1)
    splits: dict[Split, SplitSummary]
    files: dict[str, FileEntry]
    edge_types: list[str]
    feature_names: list[str]
    prepare: dict[str, Any]


def dataset_id(files: Mapping[str, FileEntry], prepare: Mapping[str, object]) -> str:
    """Return the id that follows from the content and from how it was made."""
    contents = {name: files[name].sha256 for name in CONTENT_NAMES}
    return sha256_of_json({"schema_version": SCHEMA_VERSION, "files": contents, "prepare": dict(prepare)})


def file_entry(path: Path) -> FileEntry:
    """Measure one file."""
    return FileEntry(sha256=sha256_of_file(path), size_bytes=path.stat().st_size)


def read_manifest(folder: Path) -> Manifest:
    """Read dataset.json.

    Raises:
        DataError: It is missing or is not a manifest of this version.
    """
    path = folder / DATASET_MANIFEST_NAME
    try:
        return Manifest.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise DataError(
            f"{folder} is no prepared data set",
            [InputError(where=str(path), found=str(error), expected="a manifest", fix="prepare the data set again")],
        ) from error
    except ValidationError as error:
        problems = [
            InputError(where=f"{path}, {'.'.join(map(str, e['loc']))}", found=repr(e["input"])[:60], expected=e["msg"])
            for e in error.errors()
        ]
        raise DataError(f"{path} is no manifest of version {SCHEMA_VERSION}", problems) from error
    except ValueError as error:
        raise DataError(
            f"{path} is damaged",
            [InputError(where=str(path), found=str(error), expected="JSON", fix="prepare the data set again")],
        ) from error


def check_files(folder: Path, manifest: Manifest, *, verify: bool) -> None:
    """Check that every file is there and has its size; and, with `verify`, that every hash and the id hold.

    Args:
        folder: The data set's.
        manifest: As read from that folder.
        verify: Hash every file, which reads all of it; else compare sizes alone.

    Raises:
        DataError: A file is missing or another than the one that was prepared; all are listed.
    """
    problems = []
    for name in FILE_NAMES:
        path, entry = folder / name, manifest.files.get(name)
        advice = "restore the file, or prepare the data set again"
        if entry is None:
            problems.append(
                InputError(where=f"{DATASET_MANIFEST_NAME}, files", found=f"no {name}", expected="its hash", fix=advice)
            )
        elif not path.is_file():
            problems.append(InputError(where=str(path), found="no file", expected="a file", fix=advice))
        elif path.stat().st_size != entry.size_bytes:
            found = f"{path.stat().st_size} bytes"
            problems.append(InputError(where=str(path), found=found, expected=f"{entry.size_bytes} bytes", fix=advice))
        elif verify and (found := sha256_of_file(path)) != entry.sha256:
            problems.append(InputError(where=str(path), found=found, expected=entry.sha256, fix=advice))
    if not problems and verify and (found := dataset_id(manifest.files, manifest.prepare)) != manifest.id:
        problems.append(
            InputError(
                where=f"{DATASET_MANIFEST_NAME}, id", found=manifest.id, expected=found, fix="restore dataset.json"
            )
        )
    if problems:
        raise DataError(f"{folder}: the data set is not as it was prepared", problems)
