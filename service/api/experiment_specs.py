"""The spec of a request for an experiment, as it is stored and estimated."""

from cellgate.contract.api.experiments import ExperimentCreate
from cellgate.contract.experiment import ExperimentSpec
from service.settings import Settings
from service.store.budgets import with_seconds


def parsed_spec(spec: ExperimentCreate, settings: Settings) -> ExperimentSpec:
    """Return the spec of a request, its budget in seconds.

    Raises:
        InvalidSpec: The budget is a cost, and there is no price.
    """
    parsed = ExperimentSpec.model_validate(spec.model_dump(include=set(ExperimentSpec.model_fields)))
    return parsed.model_copy(update={"budget": with_seconds(parsed.budget, settings.price_per_device_hour)})
