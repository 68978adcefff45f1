"""The run of `prepare`: a data set and its `result.json`."""

from cellgate.contract.results import RunResult
from cellgate.contract.specs import PrepareSpec
from trainers.data.prepare import prepare
from trainers.engine.context import RunContext
from trainers.engine.run_folder import result_header, write_result


def run(spec: PrepareSpec, context: RunContext) -> RunResult:
    """Prepare a data set in the output folder's `dataset` and leave the result beside it.

    Raises:
        DataError: The file has mistakes (all are listed), or too little is left to split.
    """
    prepared = prepare(spec, context.out, context.events)
    header = result_header(spec, context, cell=spec.cell, dataset_id=prepared.summary.id)
    result = RunResult(
        **{**header, "timings_s": prepared.timings_s},
        warnings=prepared.summary.warnings,
        artifacts=prepared.artifacts,
        dataset=prepared.summary,
    )
    return write_result(result, context)
