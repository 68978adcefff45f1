"""Where the options of an experiment err: totals, slices, and function by function."""

from collections import Counter
from typing import Any

import pytest

from cellgate.contract.configs import Split
from tests.api_client import assert_refused, get
from tests.function_pages import SEEDS, FunctionPages


@pytest.fixture
def path(pages: FunctionPages) -> str:
    return f"/v1/experiments/{pages.experiment}/errors"


def whole(pages: FunctionPages, query: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = get(pages.api, f"/v1/experiments/{pages.experiment}/errors?limit=500{query}")
    return answer


def test_every_option_that_was_weighed_has_its_errors_counted_as_they_are_listed(pages: FunctionPages) -> None:
    answer = whole(pages)

    gate = pages.prepared.rows(Split.GATE)
    assert (answer["rows"], answer["positives"]) == (len(gate), int(pages.prepared.labels(gate).sum()))
    assert [one["option"] for one in answer["options"]] == ["transformer", "gnn", "ensemble", "ensemble_tuned"]
    assert {row["row"] for row in answer["items"]} <= set(gate.tolist())
    for option in answer["options"]:
        assert option["seeds"] == list(SEEDS)
        listed = [row for row in answer["items"] if option["option"] in row["wrong"]]
        assert sum(row["label"] == 0 for row in listed) == option["false_positives"]
        assert sum(row["label"] == 1 for row in listed) == option["false_negatives"]
        assert listed != []
        for row in answer["items"]:
            called = row["probability"][option["option"]] >= option["threshold"]
            assert (option["option"] in row["wrong"]) == (called != (row["label"] == 1))


def test_a_slice_counts_the_functions_of_one_weakness_or_project(pages: FunctionPages) -> None:
    answer = whole(pages)
    gate = pages.prepared.rows(Split.GATE)
    (option,) = (one for one in answer["options"] if one["option"] == "gnn")

    rows = {found["value"]: found["rows"] for found in option["by_project"]}
    wrong = Counter(row["project"] or "" for row in answer["items"] if "gnn" in row["wrong"])

    assert rows == Counter(project or "" for project in pages.prepared.projects(gate))
    assert {one["value"]: one["false_positives"] + one["false_negatives"] for one in option["by_project"]} == {
        project: wrong[project] for project in rows
    }
    errors = [one["false_positives"] + one["false_negatives"] for one in option["by_cwe"]]
    assert errors == sorted(errors, reverse=True)


def test_errors_of_one_option_and_kind_are_listed_alone(pages: FunctionPages) -> None:
    everything = whole(pages)["items"]

    found = whole(pages, "&option=ensemble&kind=false_negative")["items"]

    assert found == [row for row in everything if "ensemble" in row["wrong"] and row["label"] == 1] != []


def test_how_many_seeds_err_is_what_their_models_say_of_the_function(pages: FunctionPages) -> None:
    for row in whole(pages)["items"][:10]:
        path = f"/v1/datasets/{pages.dataset}/functions/{row['row']}?experiment={pages.experiment}"
        models = get(pages.api, path)["predictions"]
        for option, cell in (("transformer", 51), ("gnn", 52)):
            wrong = sum(one["vulnerable"] != (row["label"] == 1) for one in models if one["cell"] == cell)
            assert row["seeds_wrong"][option] == wrong


def test_pages_of_errors_follow_each_other_without_a_gap(pages: FunctionPages, path: str) -> None:
    rows, after = [], ""
    while True:
        page = get(pages.api, f"{path}?limit=7{after}")
        rows += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert rows == whole(pages)["items"]


def test_an_option_that_was_not_weighed_has_no_errors(pages: FunctionPages) -> None:
    assert whole(pages, "&option=fusion")["items"] == []


def test_whoever_holds_the_errors_is_told_that_they_are_current(pages: FunctionPages, path: str) -> None:
    tag = pages.api.client.get(path).headers["ETag"]

    assert pages.api.client.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert pages.api.client.get(f"{path}?option=gnn", headers={"If-None-Match": tag}).status_code == 200


def test_before_the_evidence_there_are_no_errors_yet(pages: FunctionPages) -> None:
    waiting = pages.api.experiment(pages.dataset)

    answer = pages.api.client.get(f"/v1/experiments/{waiting}/errors")

    assert_refused(answer, status=404, code="evidence_pending", pointers=[])


def test_evidence_of_an_older_release_says_to_submit_the_experiment_again(pages: FunctionPages, path: str) -> None:
    kept = pages.verdicts.read_bytes()
    pages.verdicts.unlink()
    answer = pages.api.client.get(path)
    function = get(pages.api, f"/v1/datasets/{pages.dataset}/functions/0?experiment={pages.experiment}")
    pages.verdicts.write_bytes(kept)

    problem = assert_refused(answer, status=409, code="made_by_older_release", pointers=[])
    assert "submit the experiment again" in problem["detail"]
    assert (function["predictions"], function["predictions_missing"]) == ([], problem["detail"])


@pytest.mark.parametrize("query", ["?option=best", "?kind=wrong", "?after=x"])
def test_what_no_error_can_have_is_refused(pages: FunctionPages, path: str, query: str) -> None:
    answer = pages.api.client.get(path + query)

    assert_refused(answer, status=422, code="invalid_request", pointers=[f"#query/{query[1:].partition('=')[0]}"])
