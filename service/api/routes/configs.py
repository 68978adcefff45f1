"""The config of an experiment, and what of it differs from another one or from the defaults."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query
from pydantic import ValidationError

from cellgate.contract.api.experiments import ChangedSetting, ConfigAnswer
from cellgate.contract.api.tokens import Scope
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.identifiers import EXPERIMENT_ID
from service.api.context import Ctx
from service.api.parameters import ExperimentPath
from service.api.polling import Polled
from service.api.responses import documented
from service.api.scopes import ScopedRouter
from service.domain.comparison import Compared, setting_differences
from service.store.experiments import get_experiment
from service.store.tables import ExperimentRow
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1/experiments", tags=["experiments"])
DEFAULTS = "defaults"
Against = Annotated[
    str,
    Query(
        pattern=f"^{DEFAULTS}$|{EXPERIMENT_ID}",
        description="`defaults`, or the id of another experiment.",
        examples=[DEFAULTS],
    ),
]


@router.get("/{experiment_id}/config", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_config(experiment_id: ExperimentPath, context: Ctx, poll: Polled, against: Against = DEFAULTS) -> ConfigAnswer:
    """Return an experiment's spec, and the settings that differ from another one's or from the defaults."""
    with context.database.read() as session:
        # A spec never changes; the other experiment may be deleted, and is looked for each time.
        other = None if against == DEFAULTS else get_experiment(session, against)
        poll.check(experiment_id, load_poll_state(session, experiment_id), "config", against)
        row = get_experiment(session, experiment_id)
    defaults = ExperimentSpec().model_dump(mode="json")
    # Of other data, the same settings are another experiment; a default for them there is none.
    mine = _settings(row) if other is None else {**_settings(row), "dataset": row.dataset_id}
    theirs = defaults if other is None else {**_settings(other), "dataset": other.dataset_id}
    differences = setting_differences([Compared(config=mine, result=None), Compared(config=theirs, result=None)])
    return ConfigAnswer(
        experiment=experiment_id,
        against=against,
        changed=[ChangedSetting(pointer=at, value=here, other=there) for at, (here, there) in differences.items()],
        spec=row.spec,
    )


def _settings(row: ExperimentRow) -> dict[str, Any]:
    """Return the whole spec; what an earlier release did not know yet has its default."""
    try:
        return ExperimentSpec.model_validate(row.spec).model_dump(mode="json")
    except ValidationError:
        # It is compared as it is: a rule of today is no reason to hide what was submitted then.
        return dict(row.spec)
