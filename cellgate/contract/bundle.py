"""`bundle.json`: the manifest of a bundle's files, models and weights, with its published JSON Schema."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from cellgate.contract.artifacts import BUNDLE_MANIFEST_NAME
from cellgate.contract.dataset import FileEntry, file_entry
from cellgate.contract.documents import Document, NonNegative, Probability, Sha256, is_none
from cellgate.contract.errors import DataError, InputError, json_excerpt
from cellgate.contract.evidence import Abstention, DeploymentScores
from cellgate.contract.files import sha256_of_json
from cellgate.contract.results import Environment
from cellgate.contract.specs import BundleKind

SCHEMA_VERSION = 1
# Weights without code, and what tokenizers are made of.
SUFFIXES = frozenset({".safetensors", ".json", ".txt", ".model"})
# The text library would follow it to a checkpoint somewhere else.
REFUSED_NAMES = frozenset({"adapter_config.json"})
LABELS = {"0": "not_vulnerable", "1": "vulnerable"}
RESTORE = "restore the bundle from where it came, or make it again"

# No part begins with a dot, so that no name leads out of the folder or is hidden in it.
RelativeName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$", max_length=255)
]
# What the models of one seed can be, by kind.
PARTS_OF_KIND: dict[BundleKind, tuple[set[str], ...]] = {
    "single": ({"transformer"}, {"gnn"}),
    "ensemble": ({"transformer", "gnn"},),
    "fusion": ({"transformer", "gnn", "fusion"},),
}


class Part(Document):
    """One model of a bundle."""

    folder: RelativeName
    spec_hash: Sha256 = Field(description="Of the run that trained it.")
    temperature: float = Field(gt=0, allow_inf_nan=False, description="Its logits are divided by it.")


class Member(Document):
    """The models of one seed."""

    seed: int = Field(ge=0)
    transformer: Part | None = None
    gnn: Part | None = None
    fusion: Part | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """The models that there are, by name."""
        parts = {"transformer": self.transformer, "gnn": self.gnn, "fusion": self.fusion}
        return {name: part for name, part in parts.items() if part is not None}


class SelfTest(Document):
    """A function, and its probability where the bundle was made."""

    source: str = Field(min_length=1)
    probability: Probability


class Agreement(Document):
    """How far the bundle, on the CPU, is from the predictions that its runs stored."""

    functions: int = Field(ge=1, description="Functions of the gate split that were compared.")
    largest_difference: NonNegative = Field(description="Of their probabilities.")


class BundleManifest(Document):
    """The whole of `bundle.json`.

    `id` is the hash of everything else in it, and so, through the files' hashes, of the whole bundle.
    """

    schema_version: Literal[1]
    id: Sha256
    kind: BundleKind
    members: list[Member] = Field(min_length=1, description="One for each seed; their probabilities are averaged.")
    text_weight: Probability | None = Field(description="Of the text model in an ensemble; null otherwise.")
    graph_weight: Probability | None = Field(description="Of the graph model in an ensemble; null otherwise.")
    temperature: float | None = Field(
        None,
        gt=0,
        exclude_if=is_none,
        description="Of an ensemble: what the log-odds of the mean are divided by, fitted on dev. Absent from other "
        "kinds, and from ensembles of older releases.",
    )
    threshold: Probability = Field(description="At or above it a function is called vulnerable; fixed on dev.")
    labels: dict[Literal["0", "1"], str] = Field(description="What the two classes are called.")
    max_nodes: int = Field(ge=16, description="Graph nodes kept per function.")
    dataset_id: Sha256 = Field(description="Of the data set that all models were trained on.")
    licence_notes: str = Field(description="What whoever passes the bundle on must know of its data and weights.")
    environment: Environment = Field(description="Versions that the bundle was made with.")
    agreement: Agreement
    deployment: DeploymentScores | None = Field(
        None,
        exclude_if=is_none,
        description="Scores of just these models on gate, at the prevalence that was stated; absent where none was.",
    )
    abstention: Abstention | None = Field(
        None,
        exclude_if=is_none,
        description="Within which margin just these models give no verdict, and what they reach on gate; absent where "
        "no risk was stated.",
    )
    self_test: list[SelfTest] = Field(min_length=1)
    files: dict[RelativeName, FileEntry] = Field(description="Every file beside this one.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wanted = PARTS_OF_KIND[self.kind]
        found = [set(member.parts) for member in self.members]
        if found[0] not in wanted or any(parts != found[0] for parts in found):
            raise ValueError(f"members have {[sorted(parts) for parts in found]}, which is no {self.kind}")
        if len({member.seed for member in self.members}) < len(self.members):
            raise ValueError("two members have the same seed")
        weights = (self.text_weight, self.graph_weight)
        if (None in weights) == (self.kind == "ensemble") or weights.count(None) == 1:
            raise ValueError("an ensemble has two weights, and nothing else has any")
        if self.abstention is not None and len(self.abstention.margins) != 1:
            raise ValueError(f"a bundle has one margin, found {len(self.abstention.margins)}")
        return self


def bundle_schema() -> dict[str, Any]:
    """Return the published JSON Schema of `bundle.json` (draft 2020-12)."""
    return BundleManifest.model_json_schema()


def bundle_id(content: dict[str, Any]) -> str:
    """Return the id that follows from the other fields of `bundle.json`."""
    return sha256_of_json({name: value for name, value in content.items() if name != "id"})


def read_bundle_manifest(folder: Path) -> BundleManifest:
    """Read `bundle.json` and check every file of the bundle against it.

    Raises:
        DataError: It is missing or damaged, or the folder differs from the manifest; every difference is listed.
    """
    manifest = _read(folder / BUNDLE_MANIFEST_NAME)
    found = files_of(folder)
    problems = [*_links(folder), *_not_allowed(manifest), *_differences(folder, manifest, found)]
    problems += [
        InputError(where=f"members, {name}", found=part.folder, expected="a folder of the bundle", fix=RESTORE)
        for member in manifest.members
        for name, part in member.parts.items()
        if not any(file.startswith(f"{part.folder}/") for file in manifest.files)
    ]
    if (expected := bundle_id(manifest.model_dump(mode="json"))) != manifest.id:
        problems.append(
            InputError(where=f"{BUNDLE_MANIFEST_NAME}, id", found=manifest.id, expected=expected, fix=RESTORE)
        )
    if problems:
        raise DataError(f"{folder}: the bundle is not as it was made", problems)
    return manifest


def _read(path: Path) -> BundleManifest:
    try:
        return BundleManifest.model_validate_json(path.read_bytes())
    except OSError as error:
        problem = InputError(where=str(path), found=str(error), expected="a bundle's manifest", fix="check the path")
        raise DataError(f"{path.parent} is no bundle", [problem]) from error
    except ValidationError as error:
        problems = [
            InputError(
                where=f"{BUNDLE_MANIFEST_NAME}, {'.'.join(map(str, mistake['loc']))}".removesuffix(", "),
                found=json_excerpt(mistake["input"]),
                expected=mistake["msg"],
                fix=RESTORE,
            )
            for mistake in error.errors(include_url=False)
        ]
        raise DataError(f"{path} is no manifest of version {SCHEMA_VERSION}", problems) from error


def files_of(folder: Path) -> dict[str, FileEntry]:
    """Measure every file of a bundle but `bundle.json`, by relative name; links are not followed."""
    found = {}
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            name = path.relative_to(folder).as_posix()
            if name != BUNDLE_MANIFEST_NAME and path.is_file() and not path.is_symlink():
                found[name] = file_entry(path)
    return dict(sorted(found.items()))


def _links(folder: Path) -> list[InputError]:
    paths = [Path(parent, name) for parent, folders, names in os.walk(folder) for name in (*folders, *names)]
    return [
        InputError(where=str(path), found="a link or a device", expected="a plain file or folder", fix=RESTORE)
        for path in paths
        if path.is_symlink() or not (path.is_file() or path.is_dir())
    ]


def is_allowed(name: str) -> bool:
    """Return whether a file of this name may be in a bundle: nothing that could run code or lead elsewhere."""
    path = Path(name)
    return path.suffix in SUFFIXES and path.name not in REFUSED_NAMES


def _not_allowed(manifest: BundleManifest) -> list[InputError]:
    expected = f"names that end in {', '.join(sorted(SUFFIXES))}, {', '.join(REFUSED_NAMES)} not among them"
    return [
        InputError(where=f"{BUNDLE_MANIFEST_NAME}, files", found=name, expected=expected, fix=RESTORE)
        for name in manifest.files
        if not is_allowed(name)
    ]


def _differences(folder: Path, manifest: BundleManifest, found: dict[str, FileEntry]) -> list[InputError]:
    problems = []
    for name in sorted({*manifest.files, *found}):
        want, have = manifest.files.get(name), found.get(name)
        if want is None:
            problems.append(InputError(where=str(folder / name), found="a file", expected="none: it is not listed"))
        elif have is None:
            problems.append(InputError(where=str(folder / name), found="no file", expected="a file", fix=RESTORE))
        elif have != want:
            problems.append(InputError(where=str(folder / name), found=have.sha256, expected=want.sha256, fix=RESTORE))
    return problems
