"""What cell 54 found over the seeds: its evidence, and its report as JSON and as one page."""

from contextlib import closing
from http import HTTPStatus

from fastapi.responses import HTMLResponse

from cellgate.contract.api.experiments import AggregateAnswer, ReportAnswer
from cellgate.contract.api.tokens import Scope
from cellgate.contract.artifacts import REPORT_NAME
from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.report import SeedReport
from service.api.context import Context, Ctx
from service.api.evidence import newest_evidence
from service.api.parameters import ExperimentPath
from service.api.polling import Polled
from service.api.problems import ReportLost
from service.api.responses import documented
from service.api.run_files import open_file
from service.api.scopes import ScopedRouter
from service.domain.errors import NotFound
from service.domain.report_summary import judged
from service.store.conclusions import conclusions_of
from service.store.experiments import get_experiment
from service.store.gate import gate_report
from service.store.gate_decision import answered_decisions
from service.store.reuse import reused_lines
from service.store.tables import RunRow
from service.store.versions import load_poll_state
from trainers.report.page import render, style_hash

router = ScopedRouter(prefix="/v1/experiments", tags=["experiments"])


@router.get(
    "/{experiment_id}/aggregate", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED)
)
def read_aggregate(experiment_id: ExperimentPath, context: Ctx, poll: Polled) -> AggregateAnswer:
    """Return cell 54's newest evidence over the seeds, or 404 with code `evidence_pending` before the first."""
    with context.database.read() as session:
        poll.check(experiment_id, load_poll_state(session, experiment_id), "aggregate")
        stage, run = newest_evidence(session, experiment_id)
        evidence = Evidence.model_validate((run.result or {})["evidence"])
        return AggregateAnswer(experiment=experiment_id, stage=stage, run=run.id, evidence=evidence)


@router.get("/{experiment_id}/report", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_report(experiment_id: ExperimentPath, context: Ctx, poll: Polled) -> ReportAnswer:
    """Return cell 54's newest report over the seeds: the evidence and its values seed by seed."""
    with context.database.read() as session:
        poll.check(experiment_id, load_poll_state(session, experiment_id), "report")
        stage, run = newest_evidence(session, experiment_id)
    return ReportAnswer(experiment=experiment_id, stage=stage, run=run.id, report=_report_of(context, run))


@router.get(
    "/{experiment_id}/report.html", Scope.READ, response_class=HTMLResponse, responses=documented(HTTPStatus.NOT_FOUND)
)
def read_report_page(experiment_id: ExperimentPath, context: Ctx) -> HTMLResponse:
    """Return decision, gate and report as one self-contained HTML file without scripts."""
    with context.database.read() as session:
        experiment = get_experiment(session, experiment_id)
        _, run = newest_evidence(session, experiment_id)
        above = judged(
            experiment.id,
            experiment.name,
            gate=gate_report(session, experiment_id, context.settings.artifacts),
            decisions=answered_decisions(session, experiment_id),
            policy=ExperimentSpec.model_validate(experiment.spec).policy,
            conclusion=conclusions_of(session, [experiment]).get(experiment_id),
            reused=reused_lines(session, experiment_id),
        )
    headers = {
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{experiment_id}.html"',
        "Content-Security-Policy": f"default-src 'none'; style-src {style_hash()}; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    }
    return HTMLResponse(render(_report_of(context, run), above), headers=headers)


def _report_of(context: Context, run: RunRow) -> SeedReport:
    vouched = (run.result or {}).get("artifacts", {}).get(REPORT_NAME)
    try:
        file = open_file(context.settings.artifacts / str(run.path), REPORT_NAME, context.hashes)
    except NotFound as error:
        raise ReportLost(f"the report of run {run.id} is not in its folder any more") from error
    with closing(file):
        if f"sha256:{file.sha256}" != vouched:
            detail = f"the report of run {run.id} has another hash than the run has recorded: it was changed afterwards"
            raise ReportLost(detail)
        try:
            return SeedReport.model_validate_json(b"".join(file.content(0, file.size)))
        except (OSError, ValueError) as error:
            detail = f"the report of run {run.id} cannot be read from its file: {type(error).__name__}"
            raise ReportLost(detail) from error
