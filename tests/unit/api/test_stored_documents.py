"""Documents of an earlier or a later release are answered as they are stored, and OpenAPI shows their types."""

from typing import Any

import pytest
from sqlalchemy import update

from service.store.tables import DatasetRow, JobRow, RunRow
from tests.api_client import Api, get

STORED = {"written_by": "another release", "metrics": {"gate": {"f1": 0.5}}}


@pytest.mark.parametrize(
    ("schema", "field", "documents"),
    [
        ("RunAnswer", "result", {"RunResult"}),
        ("DatasetAnswer", "summary", {"DatasetSummary"}),
        ("ExperimentAnswer", "spec", {"ExperimentSpec"}),
        ("EventAnswer", "body", {"EventBody"}),
        (
            "JobAnswer",
            "spec",
            {
                *("TransformerConfig", "GnnConfig", "FusionConfig", "AggregationConfig"),
                *("PrepareConfig", "PreflightConfig", "PackConfig", "ScoreConfig", "InspectConfig", "EvaluateConfig"),
            },
        ),
    ],
)
def test_every_stored_document_has_its_type_in_openapi(api: Api, schema: str, field: str, documents: set[str]) -> None:
    schemas = get(api, "/openapi.json")["components"]["schemas"]

    shown = schemas[schema]["properties"][field]

    references = [shown, *shown.get("anyOf", [])]
    assert {one["$ref"].rpartition("/")[2] for one in references if "$ref" in one} == documents
    assert documents <= set(schemas)


def test_a_field_with_a_default_may_be_missing_in_a_stored_document(api: Api) -> None:
    schemas = get(api, "/openapi.json")["components"]["schemas"]

    assert "cell" in schemas["RunResult"]["required"]
    assert "metrics" not in schemas["RunResult"]["required"]
    assert "required" not in schemas["ExperimentSpec"]


def test_a_document_that_no_longer_fits_its_type_is_answered_unchanged(api: Api) -> None:
    dataset_id = api.ready_dataset()
    [run] = get(api, "/v1/runs")["items"]
    with api.database.begin() as session:
        for table, values in _stored():
            session.execute(update(table).values(values))

    assert get(api, f"/v1/runs/{run['id']}")["result"] == STORED
    assert get(api, f"/v1/datasets/{dataset_id}")["summary"] == STORED
    assert get(api, f"/v1/jobs/{run['job']}")["spec"] == STORED


def _stored() -> list[tuple[Any, dict[str, Any]]]:
    return [(RunRow, {"result": STORED}), (DatasetRow, {"summary": STORED}), (JobRow, {"spec": STORED})]
