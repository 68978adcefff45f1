from pathlib import Path
from typing import Literal

import pytest

from cellgate.contract.cells import ANY_SPEC, Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec, Policy
from cellgate.contract.specs import AggregationSpec, FusionSpec, GnnSpec, PreflightSpec, PrepareSpec, TransformerSpec
from service.domain.errors import Conflict
from service.store.claims import claim_next
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment
from service.store.jobs import create_job, jobs_of_experiment, runs_of_jobs
from service.store.run_specs import trainer_spec
from service.store.tables import RunRow
from tests.fakes import FakeTrainers


@pytest.fixture
def runs(database: Database, dataset_id: str, trainers: FakeTrainers) -> dict[str, dict[int, RunRow]]:
    """All runs of a finished experiment with two seeds and fusion, by step and seed."""
    trainers.f1s = {name: [f1, f1] for name, f1 in (("transformer", 0.86), ("gnn", 0.87), ("ensemble", 0.88))}  # type: ignore[misc]
    trainers.f1s = {**trainers.f1s, "fusion": [0.92, 0.93]}
    with database.begin() as session:
        experiment = create_experiment(session, name="q", dataset_id=dataset_id, spec=ExperimentSpec(seeds=[0, 1]))
    trainers.work()
    with database.read() as session:
        jobs = jobs_of_experiment(session, experiment.id)
        by_job = runs_of_jobs(session, [job.id for job in jobs])
    return {str(job.step): {run.seed: run for run in by_job[job.id]} for job in jobs}


def spec_of(database: Database, run: RunRow, artifacts: Path) -> object:
    with database.read() as session:
        return ANY_SPEC.validate_python(trainer_spec(session, run_id=run.id, artifacts=artifacts))


def test_every_cell_gets_a_spec_that_its_trainer_accepts_with_absolute_paths(
    database: Database, trainers: FakeTrainers, runs: dict[str, dict[int, RunRow]]
) -> None:
    root = trainers.artifacts
    specs = {step: spec_of(database, by_seed[max(by_seed)], root) for step, by_seed in runs.items()}

    assert {step: type(spec) for step, spec in specs.items()} == {
        "preflight": PreflightSpec,
        "51": TransformerSpec,
        "52": GnnSpec,
        "54-bases": AggregationSpec,
        "53": FusionSpec,
        "54-final": AggregationSpec,
    }
    transformer = specs["51"]
    assert isinstance(transformer, TransformerSpec)
    assert (transformer.seed, transformer.lr_cache) == (1, root / "lr_cache")
    assert transformer.dataset.is_absolute()
    assert transformer.dataset.parts[-2:] == ("attempt-1", "dataset")


def test_fusion_gets_the_two_bases_of_its_own_seed(
    database: Database, trainers: FakeTrainers, runs: dict[str, dict[int, RunRow]]
) -> None:
    for seed in (0, 1):
        spec = spec_of(database, runs["53"][seed], trainers.artifacts)
        assert isinstance(spec, FusionSpec)
        assert spec.transformer == trainers.artifacts / str(runs["51"][seed].path)
        assert spec.gnn == trainers.artifacts / str(runs["52"][seed].path)


def test_the_evidence_over_the_bases_leaves_fusion_out_and_the_final_one_takes_it_in(
    database: Database, trainers: FakeTrainers, runs: dict[str, dict[int, RunRow]]
) -> None:
    bases, final = (spec_of(database, runs[step][0], trainers.artifacts) for step in ("54-bases", "54-final"))
    assert isinstance(bases, AggregationSpec)
    assert isinstance(final, AggregationSpec)
    assert bases.fusion == []
    assert [(out.seed, out.run) for out in final.fusion] == [(seed, runs["53"][seed].id) for seed in (0, 1)]
    assert [out.run for out in final.transformer] == [runs["51"][seed].id for seed in (0, 1)]


def test_prepare_gets_the_source_and_its_config(database: Database, tmp_path: Path) -> None:
    with database.begin() as session:
        create_dataset(session, name="d", source="/data/f.jsonl", config=PrepareConfig(split_seed=7))
        claim = claim_next(session, worker="w", queues=["cpu"], lease_s=1)
        assert claim is not None
        spec = ANY_SPEC.validate_python(trainer_spec(session, run_id=claim.run_id, artifacts=tmp_path))
    assert isinstance(spec, PrepareSpec)
    assert (spec.source, spec.split_seed) == (Path("/data/f.jsonl"), 7)


@pytest.mark.parametrize("moved", ["source", "graphs"])
def test_prepare_is_refused_where_an_input_lies_below_no_data_root_any_more(
    database: Database, tmp_path: Path, moved: str
) -> None:
    root, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (root, elsewhere):
        folder.mkdir()
    (root / "link").symlink_to(elsewhere)
    inputs = {"source": str(root / "f.jsonl"), "graphs": str(root / "graphs"), moved: str(root / "link" / "f")}
    with database.begin() as session:
        create_dataset(session, name="d", config=PrepareConfig(), **inputs)
        claim = claim_next(session, worker="w", queues=["cpu"], lease_s=1)
        assert claim is not None
        wanted = {"run_id": claim.run_id, "artifacts": tmp_path}

        assert trainer_spec(session, **wanted, data_roots=[root, elsewhere])["cell"] == "prepare"
        with pytest.raises(Conflict, match=r"link/f lies below no data root of this worker .*CELLGATE_DATA_ROOTS"):
            trainer_spec(session, **wanted, data_roots=[root])


def test_a_fusion_run_without_its_bases_is_refused(database: Database, dataset_id: str, tmp_path: Path) -> None:
    with database.begin() as session:
        job = create_job(session, cell=Cell.FUSION, dataset_id=dataset_id, config={"cell": 53}, seeds=[0])
        (run,) = runs_of_jobs(session, [job.id])[job.id]
        with pytest.raises(Conflict, match="seed 0 of transformer and gnn"):
            trainer_spec(session, run_id=run.id, artifacts=tmp_path)


@pytest.mark.parametrize(("policy", "tried"), [("never", False), ("auto", True), ("always", True)])
def test_preflight_tries_fusion_where_it_may_come_to_be_trained(
    policy: Literal["never", "auto", "always"], tried: bool, database: Database, dataset_id: str, tmp_path: Path
) -> None:
    spec = ExperimentSpec(seeds=[0], policy=Policy(fusion=policy, text_weight=0.7))
    with database.begin() as session:
        experiment = create_experiment(session, name="q", dataset_id=dataset_id, spec=spec)
    with database.read() as session:
        [job] = jobs_of_experiment(session, experiment.id)
        [run] = runs_of_jobs(session, [job.id])[job.id]

    preflight = spec_of(database, run, tmp_path)

    assert isinstance(preflight, PreflightSpec)
    assert (preflight.fusion is not None) is tried
    assert preflight.fusion is None or preflight.fusion.model.text_weight == 0.7
