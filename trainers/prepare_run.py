"""The run of `prepare`: a data set and its `result.json`."""

from cellgate.contract.results import SCHEMA_VERSION, Memory, RunResult
from cellgate.contract.specs import PrepareSpec
from trainers.data.prepare import prepare
from trainers.engine.context import RunContext
from trainers.engine.environment import describe_environment, peak_host_bytes
from trainers.engine.run_folder import write_result


def run(spec: PrepareSpec, context: RunContext) -> RunResult:
    """Prepare a data set in the output folder's `dataset` and leave the result beside it.

    Raises:
        DataError: The file has mistakes (all are listed), or too little is left to split.
    """
    prepared = prepare(spec, context.out, context.events)
    result = RunResult(
        schema_version=SCHEMA_VERSION,
        cell="prepare",
        seed=spec.split_seed,
        spec_hash=context.spec_hash,
        dataset_id=prepared.summary.id,
        started_at=context.started_at,
        timings_s=prepared.timings_s,
        memory=Memory(host_bytes=peak_host_bytes(), device_bytes=0),
        environment=describe_environment(device="cpu", threads=spec.workers, precision="fp32"),
        warnings=prepared.summary.warnings,
        artifacts=prepared.artifacts,
        dataset=prepared.summary,
    )
    return write_result(result, context)
