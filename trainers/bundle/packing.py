"""Packs finished runs into a bundle: copies and joins their models, and compares their scores with the stored ones."""

# Shapes: R rows of gate that are compared.
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cellgate.contract.artifacts import BUNDLE_MANIFEST_NAME, MODEL_FOLDER
from cellgate.contract.bundle import (
    LABELS,
    SCHEMA_VERSION,
    Agreement,
    BundleManifest,
    Member,
    Part,
    SelfTest,
    bundle_id,
    files_of,
    is_allowed,
)
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError, InputError, SpecError
from cellgate.contract.files import sha256_of_file, write_json
from cellgate.contract.specs import BundleKind
from trainers.bundle.bundle import Bundle
from trainers.bundle.member_runs import MemberRuns, Stored, read_members
from trainers.bundle.models import Functions
from trainers.bundle.scorer import SeedScorers
from trainers.data.dataset import Dataset
from trainers.data.writing import replaced_folder
from trainers.demo_data.generator import generate
from trainers.engine.environment import describe_environment
from trainers.engine.metrics import sigmoid
from trainers.models.fusion.saving import load_fusion

TOLERANCE = 1e-5
COMPARED = 256
READY = "ready"
SELF_TESTS = 8
NO_NOTES = (
    "No notes were given. Weights, tokenizers and vocabularies were learned from the data set named here and, where "
    "training began from a published checkpoint, from that: their licences may bind whoever uses or passes on this."
)


def pack_bundle(
    target: Path,
    *,
    kind: BundleKind,
    runs: Sequence[Path],
    dataset: Path,
    text_weight: float | None = None,
    licence_notes: str = NO_NOTES,
    deployment_prevalence: float | None = None,
    alerts_per_1000: float | None = None,
    selective_risk: float | None = None,
    compared: int = COMPARED,
    tolerance: float = TOLERANCE,
) -> BundleManifest:
    """Make a bundle, whole or not at all; return its manifest.

    Args:
        target: Its folder, which must not exist.
        kind: single (one model), ensemble (weighted mean of both) or fusion (the trained head over both).
        runs: Output folders of cells 51 to 53: what the kind is made of, for each of one or several seeds.
        dataset: The data set that they were trained on.
        text_weight: Of the text model in an ensemble; null tunes it on fuse.
        deployment_prevalence: Share of vulnerable functions where it will run; None leaves its scores there out.
        alerts_per_1000: Alerts there per 1,000 functions, at most; None gives no threshold for a budget.
        selective_risk: Share of its verdicts that may be wrong; None lets it give one on every function.
        compared: Functions of gate, spread evenly, that the bundle scores and the runs did, at most.
        tolerance: How far the two probabilities may be apart. Runs that were not trained in fp32 on a CPU need more.

    Raises:
        SpecError: The target exists, or the runs do not make such a bundle.
        DataError: A run is damaged, its models read graphs that cannot be made from source, or the bundle does not
            score as its runs did.
    """
    _check_options(target, kind=kind, text_weight=text_weight, compared=compared)
    _check_stated(deployment_prevalence, alerts_per_1000, selective_risk)
    opened = Dataset.open(dataset)
    members = read_members(kind, runs, dataset=opened)
    _check_graphs(members, opened)
    stored = Stored.read(kind, members, dataset=opened)
    if kind == "ensemble" and text_weight is None:
        text_weight = stored.tuned_text_weight()
    with replaced_folder(target) as folder:
        packed = [_copy_member(member, folder) for member in members]
        temperature = stored.temperature(text_weight=text_weight)
        seeds = SeedScorers.load(folder, packed, text_weight=text_weight, temperature=temperature)
        max_nodes = int(opened.manifest.prepare["max_nodes"])
        agreement = _compare(
            seeds, stored, text_weight=text_weight, max_nodes=max_nodes, compared=compared, tolerance=tolerance
        )
        content = {
            "schema_version": SCHEMA_VERSION,
            "kind": kind,
            "members": [member.model_dump(mode="json") for member in packed],
            "text_weight": text_weight,
            "graph_weight": None if text_weight is None else 1 - text_weight,
            **({} if temperature is None else {"temperature": temperature}),
            "threshold": stored.threshold(text_weight=text_weight),
            "labels": LABELS,
            "max_nodes": max_nodes,
            "dataset_id": opened.id,
            "licence_notes": licence_notes,
            "environment": describe_environment(
                device="cpu", threads=torch.get_num_threads(), precision="fp32"
            ).model_dump(mode="json"),
            "agreement": agreement.model_dump(mode="json"),
            **_deployment(stored, text_weight, deployment_prevalence, alerts_per_1000),
            **_abstention(stored, text_weight, selective_risk),
            "self_test": [test.model_dump(mode="json") for test in _self_tests(seeds, max_nodes=max_nodes)],
            "files": {name: entry.model_dump(mode="json") for name, entry in files_of(folder).items()},
        }
        write_json(folder / BUNDLE_MANIFEST_NAME, {**content, "id": bundle_id(content)})
        return Bundle.open(folder).manifest


def _deployment(
    stored: Stored, text_weight: float | None, prevalence: float | None, alerts_per_1000: float | None
) -> dict[str, Any]:
    if prevalence is None:
        return {}
    found = stored.deployment(text_weight=text_weight, prevalence=prevalence, alerts_per_1000=alerts_per_1000)
    return {} if found is None else {"deployment": found.model_dump(mode="json")}


def _abstention(stored: Stored, text_weight: float | None, risk: float | None) -> dict[str, Any]:
    found = None if risk is None else stored.abstention(text_weight=text_weight, risk=risk)
    return {} if found is None else {"abstention": found.model_dump(mode="json")}


def _check_options(target: Path, *, kind: BundleKind, text_weight: float | None, compared: int) -> None:
    problems = []
    if target.exists() or target.is_symlink():
        fix = "remove it, or choose another name"
        problems.append(InputError(where=str(target), found="something there", expected="nothing", fix=fix))
    if text_weight is not None and kind != "ensemble":
        problems.append(InputError(where="text_weight", found=f"a {kind}", expected="an ensemble", fix="leave it out"))
    if text_weight is not None and not 0 <= text_weight <= 1:
        problems.append(InputError(where="text_weight", found=str(text_weight), expected="0 to 1"))
    if compared < 1:
        problems.append(InputError(where="compared", found=str(compared), expected="1 or more"))
    if problems:
        raise SpecError("the bundle cannot be made", problems)


def _check_stated(prevalence: float | None, alerts_per_1000: float | None, selective_risk: float | None) -> None:
    problems = []
    if prevalence is not None and not 0 < prevalence < 1:
        expected = "a share of functions above 0 and below 1"
        problems.append(InputError(where="deployment_prevalence", found=f"{prevalence:g}", expected=expected))
    if alerts_per_1000 is not None and (prevalence is None or not 0 < alerts_per_1000 <= 1000):
        found = f"{alerts_per_1000:g}" + (" without deployment_prevalence" if prevalence is None else "")
        expected = "above 0 and at most 1000, with deployment_prevalence"
        problems.append(InputError(where="alerts_per_1000", found=found, expected=expected))
    if selective_risk is not None and not 0 < selective_risk < 0.5:
        expected = "a share of verdicts above 0 and below 0.5"
        problems.append(InputError(where="selective_risk", found=f"{selective_risk:g}", expected=expected))
    if problems:
        raise SpecError("the bundle cannot be made", problems)


def _check_graphs(members: Sequence[MemberRuns], dataset: Dataset) -> None:
    """Refuse graph models of imported graphs, even where these have the same kinds of nodes and edges as ours."""
    if not any("gnn" in member.runs for member in members):
        return
    ready = dataset.graph_qualities(np.arange(len(dataset))).count(READY)
    if ready:
        problem = InputError(
            where=f"data set {dataset.id}",
            found=f"{ready} functions whose graphs came ready",
            expected="graphs that are made from source here, as those of new functions will be",
            fix="pack the text model alone, or train the graph model on a data set without imported graphs",
        )
        raise DataError("the graph model reads graphs that cannot be made from source", [problem])


def _copy_member(member: MemberRuns, folder: Path) -> Member:
    """Copy one seed's models; a base model that learned with a head is the head's, not its own run's."""
    place = f"seed-{member.seed}"
    own: set[str] = set()
    if "fusion" in member.runs:
        _copy_model(member, "fusion", folder / place / "fusion")
        _check_inputs(member, folder / place / "fusion")
        own = {name for name in ("transformer", "gnn") if (folder / place / "fusion" / name).is_dir()}
    parts = {}
    for name, run in member.runs.items():
        inside = f"{place}/fusion/{name}" if name in own else f"{place}/{name}"
        if name not in own and name != "fusion":
            _copy_model(member, name, folder / inside)
        parts[name] = Part(folder=inside, spec_hash=run.result.spec_hash, temperature=run.temperature)
    return Member(seed=member.seed, **parts)


def _copy_model(member: MemberRuns, name: str, target: Path) -> None:
    """Copy the model files that the run's result lists; files that no model is loaded from are left out."""
    run = member.runs[name]
    problems = []
    for artifact, digest in run.result.artifacts.items():
        if not artifact.startswith(f"{MODEL_FOLDER}/") or not is_allowed(artifact):
            continue
        source, copy = run.path / artifact, target / artifact.removeprefix(f"{MODEL_FOLDER}/")
        if not source.is_file():
            problems.append(InputError(where=str(source), found="no file", expected=digest, fix="run the cell again"))
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        if (found := sha256_of_file(copy)) != digest:
            problems.append(InputError(where=str(source), found=found, expected=digest, fix="run the cell again"))
    if problems:
        raise DataError(f"{run.path}: the model is not the one that its result vouches for", problems)


def _check_inputs(member: MemberRuns, folder: Path) -> None:
    """Refuse a head together with other models than those that it was trained over."""
    inputs = load_fusion(folder).inputs
    wanted = {
        "transformer": (inputs.text_spec_hash, inputs.text_temperature),
        "gnn": (inputs.graph_spec_hash, inputs.graph_temperature),
    }
    problems = [
        InputError(
            where=f"seed {member.seed}, {name}",
            found=f"{run.result.spec_hash} at temperature {run.temperature:g}",
            expected=f"{spec_hash} at {temperature:g}, which the head was trained over",
            fix="name the runs that the fusion run named",
        )
        for name, (spec_hash, temperature) in wanted.items()
        if ((run := member.runs[name]).result.spec_hash, run.temperature) != (spec_hash, temperature)
    ]
    if problems:
        raise SpecError("the fusion head was trained over other models", problems)


def _compare(
    seeds: SeedScorers, stored: Stored, *, text_weight: float | None, max_nodes: int, compared: int, tolerance: float
) -> Agreement:
    rows = stored.dataset.rows(Split.GATE)
    chosen_R = np.unique(np.linspace(0, len(rows) - 1, min(compared, len(rows))).astype(np.int64))
    sources = stored.dataset.sources(rows[chosen_R])
    functions = Functions.read(sources, max_nodes=max_nodes, with_graphs=seeds.read_graphs)
    now_R = sigmoid(seeds.score(functions).log_odds_F)
    before_R = stored.probabilities(Split.GATE, text_weight=text_weight)[chosen_R]
    difference_R = np.abs(now_R - before_R)
    if difference_R.max() > tolerance:
        environments = [run.result.environment for member in stored.members for run in member.runs.values()]
        trained = sorted({f"{environment.precision} on {environment.device}" for environment in environments})
        problem = InputError(
            where=f"{int((difference_R > tolerance).sum())} of {len(chosen_R)} functions of gate",
            found=f"probabilities that differ by up to {difference_R.max():.2g}",
            expected=f"{tolerance:g} at most; the runs were made in {', '.join(trained)}",
            fix="pack with the versions that the runs were made with, or allow more where the runs' precision or "
            "device explains it",
        )
        raise DataError("the bundle's scores differ from those that its runs stored", [problem])
    return Agreement(functions=len(chosen_R), largest_difference=float(difference_R.max()))


def _self_tests(seeds: SeedScorers, *, max_nodes: int) -> list[SelfTest]:
    """Return functions of our own making, so that no data set's source leaves with the bundle."""
    sources = [str(row["func"]).strip() for row in generate(functions=SELF_TESTS, seed=0)]
    functions = Functions.read(sources, max_nodes=max_nodes, with_graphs=seeds.read_graphs)
    probability_F = sigmoid(seeds.score(functions).log_odds_F).tolist()
    return [SelfTest(source=source, probability=p) for source, p in zip(sources, probability_F, strict=True)]
