"""The run of `inspect`: how a source would be read, in `inspection.json` and in the result."""

import time

from cellgate.contract.files import sha256_of_file, sha256_of_json, write_json
from cellgate.contract.inspection import INSPECTION_NAME
from cellgate.contract.results import RunResult
from cellgate.contract.specs import InspectSpec
from trainers.data.inspect import inspect_source
from trainers.engine.context import RunContext
from trainers.engine.run_folder import result_header, write_result


def run(spec: InspectSpec, context: RunContext) -> RunResult:
    """Write `inspection.json`; a source that cannot be used succeeds too, with its refusals."""
    begun = time.monotonic()
    inspection = inspect_source(spec, spec.sources)
    document = inspection.model_dump(mode="json")
    path = context.out / INSPECTION_NAME
    write_json(path, document)
    # There is no data set: its place in the header has the hash of what was found.
    header = result_header(spec, context, cell=spec.cell, dataset_id=sha256_of_json(document))
    result = RunResult(
        **{**header, "timings_s": {"inspect": time.monotonic() - begun}},
        artifacts={INSPECTION_NAME: sha256_of_file(path)},
        inspection=inspection,
    )
    return write_result(result, context)
