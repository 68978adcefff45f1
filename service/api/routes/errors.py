"""Where the options of an experiment err on the gate split."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query

from cellgate.contract.api.functions import ErrorKind, ErrorsAnswer
from cellgate.contract.api.tokens import Scope
from cellgate.contract.options import Option
from service.api.context import Ctx
from service.api.evidence import newest_evidence, verdicts_left_by
from service.api.parameters import ExperimentPath
from service.api.polling import Polled
from service.api.responses import documented
from service.api.row_pages import RowPaged
from service.api.scopes import ScopedRouter
from service.api.verdict_tables import errors_in, gate_counts, option_errors
from service.store.experiments import get_experiment
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1/experiments", tags=["experiments"])
ErringOption = Annotated[
    Option | None, Query(alias="option", description="Functions on which this option errs; default: any option.")
]
Kind = Annotated[
    ErrorKind | None,
    Query(
        alias="kind", description="`false_positive`: safe functions called vulnerable; `false_negative`: the reverse."
    ),
]


@router.get(
    "/{experiment_id}/errors",
    Scope.READ,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.NOT_MODIFIED),
)
def read_errors(
    experiment_id: ExperimentPath,
    context: Ctx,
    poll: Polled,
    paging: RowPaged,
    option: ErringOption = None,
    kind: Kind = None,
) -> ErrorsAnswer:
    """Return where the options err on the gate split: by weakness, by project, and function by function."""
    with context.database.read() as session:
        state = load_poll_state(session, experiment_id)
        poll.check(experiment_id, state, "errors", option, kind, paging.after, paging.limit)
        dataset_id = get_experiment(session, experiment_id).dataset_id
        stage, run = newest_evidence(session, experiment_id)
    with verdicts_left_by(run, context.settings.artifacts).opened() as tables:
        counts, options = gate_counts(tables), option_errors(tables)
        items = errors_in(tables, option=option, kind=kind, after=paging.after, limit=paging.limit)
    return ErrorsAnswer(
        experiment=experiment_id,
        dataset=dataset_id,
        stage=stage,
        run=run.id,
        rows=counts.rows,
        positives=counts.positives,
        options=options,
        items=items,
        next=paging.next_of([one.row for one in items]),
    )
