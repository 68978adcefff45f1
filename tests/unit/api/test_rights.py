"""Who may do what: every cell of the table in docs/reference/rights.md is what a request gets."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from cellgate.contract.api.tokens import Scope
from cellgate.contract.cells import Cell
from service.domain.principals import CONSOLE, SYSTEM, Owner
from service.rights_table import MISSING_SCOPE, NOT_OWNER, UNAUTHORIZED, YES, all_rights
from service.settings import Settings
from service.store.jobs import create_job
from service.store.tables import JobRow, RunRow
from service.store.tokens import create_token, revoke_named
from service.store.workers import register_worker
from tests.api_client import Api, assert_refused, running_api

BOOTSTRAP = "correct-horse-battery-staple-and-cart"


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Api]:
    """The app, asking for a token."""
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": BOOTSTRAP})) as app:
        yield app


def log_in(api: Api, name: str, scope: Scope = Scope.SUBMIT) -> str:
    """Send further requests with a new token of this name, and return its principal's id."""
    with api.database.begin() as session:
        made = create_token(session, name=name, scope=scope)
    api.client.headers["Authorization"] = f"Bearer {made.secret}"
    return str(made.row.principal_id)


def things(api: Api) -> dict[str, str]:
    """Return a thing for each parameter of a path, all of the caller, with runs that have ended: streams end too."""
    experiment = api.experiment()
    api.trainers().work()
    job = api.client.get("/v1/jobs", params={"experiment": experiment}).json()["items"][0]
    bundle = api.client.post(f"/v1/experiments/{experiment}/bundle", json={}).json()["id"]
    return {
        "dataset_id": api.client.get(f"/v1/experiments/{experiment}").json()["dataset"],
        "experiment_id": experiment,
        "job_id": job["id"],
        "run_id": job["runs"][0]["id"],
        "bundle_id": bundle,
        "worker_id": "worker-1",
        "token_id": "tok_" + "0" * 26,
        "webhook_id": "wh_" + "0" * 26,
        "upload": api.client.put("/v1/uploads/own.jsonl", content=b"{}").json()["id"],
        "cell": "52",
        "name": "functions.jsonl",
        "name:path": "result.json",
    }


def found_cell(answer: Any) -> str:
    """Return the answer as a cell of the table has it."""
    if answer.status_code == 401:
        return UNAUTHORIZED
    if answer.status_code == 403:
        return {"missing_scope": MISSING_SCOPE, "not_owner": NOT_OWNER}[answer.json()["code"]]
    assert answer.status_code < 500, answer.text
    return YES


@pytest.mark.parametrize("column", range(5), ids=["no token", "read", "own", "others'", "admin"])
def test_each_cell_of_the_table_of_rights_is_what_a_request_gets(guarded: Api, column: int) -> None:
    with guarded.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=1)
    log_in(guarded, "owner")
    named = things(guarded)
    if column == 0:
        del guarded.client.headers["Authorization"]
    elif column != 2:
        log_in(guarded, "caller", {1: Scope.READ, 3: Scope.SUBMIT, 4: Scope.ADMIN}[column])

    wrong = {}
    for rights in all_rights():
        path = rights.path
        for parameter, value in named.items():
            path = path.replace(f"{{{parameter}}}", value)
        # A step of an experiment is where it counts who owns what the body names.
        body = {"cell": 51, "experiment": named["experiment_id"]} if rights.operation == "submit_job" else None
        found = found_cell(guarded.client.request(rights.method, path, json=body))
        if found != rights.cells[column]:
            wrong[f"{rights.method} {rights.path}"] = (found, rights.cells[column])

    assert wrong == {}


def test_nobody_pauses_or_cancels_what_belongs_to_somebody_else(guarded: Api) -> None:
    owner_id = log_in(guarded, "alice")
    experiment = guarded.experiment()
    job = guarded.client.get("/v1/jobs", params={"experiment": experiment}).json()["items"][0]
    run = job["runs"][0]
    log_in(guarded, "mallory")

    for path in (f"experiments/{experiment}/cancel", f"jobs/{job['id']}/pause", f"runs/{run['id']}/cancel"):
        problem = assert_refused(guarded.client.post(f"/v1/{path}"), status=403, code="not_owner", pointers=[])
        assert problem["owner_id"] == owner_id

    assert (run["owner"], run["owner_id"]) == ("alice", owner_id)
    assert guarded.client.get(f"/v1/runs/{run['id']}").json()["state"] == "queued"


def test_a_freed_name_that_is_used_again_inherits_nothing(guarded: Api) -> None:
    first = log_in(guarded, "alice")
    experiment = guarded.experiment()
    with guarded.database.begin() as session:
        revoke_named(session, "alice")
    second = log_in(guarded, "alice")

    answer = guarded.client.post(f"/v1/experiments/{experiment}/cancel")

    assert first != second
    assert_refused(answer, status=403, code="not_owner", pointers=[])


def test_a_second_token_of_the_same_principal_changes_what_the_first_has_made(guarded: Api) -> None:
    principal = log_in(guarded, "alice")
    experiment = guarded.experiment()
    guarded.client.headers["Authorization"] = f"Bearer {BOOTSTRAP}"
    body = {"name": "alice-laptop", "scope": "submit", "principal": principal}
    made = guarded.client.post("/v1/tokens", json=body).json()
    unknown = guarded.client.post("/v1/tokens", json={**body, "name": "x", "principal": "pri_" + "9" * 26})
    guarded.client.headers["Authorization"] = f"Bearer {made['token']}"

    assert guarded.client.post(f"/v1/experiments/{experiment}/cancel").status_code == 202
    assert guarded.client.get("/v1/whoami").json() == {
        "name": "alice",
        "principal_id": principal,
        "scope": "submit",
        "token_id": made["id"],
        "expires_at": None,
        "session_expires_at": None,
    }
    assert_refused(unknown, status=422, code="invalid_spec", pointers=["/principal"])


def test_things_of_others_may_be_used_and_what_is_made_of_them_belongs_to_its_maker(guarded: Api) -> None:
    log_in(guarded, "alice")
    dataset = guarded.ready_dataset()
    theirs = guarded.experiment(dataset)
    guarded.trainers().work()
    me = log_in(guarded, "bob")

    mine = guarded.client.get(f"/v1/experiments/{guarded.experiment(dataset)}").json()
    bundle = guarded.client.post(f"/v1/experiments/{theirs}/bundle", json={}).json()

    assert (mine["owner_id"], bundle["owner_id"]) == (me, me)
    assert {run["owner_id"] for job in mine["jobs"] for run in job["runs"]} == {me}


def test_a_priority_above_the_normal_one_is_for_admins_wherever_a_body_has_one(guarded: Api) -> None:
    log_in(guarded, "alice")
    dataset = guarded.ready_dataset()
    done = guarded.experiment(dataset)
    guarded.trainers().work()
    bundle = guarded.client.post(f"/v1/experiments/{done}/bundle", json={}).json()["id"]
    document = guarded.client.get("/openapi.json").json()
    bodies = {
        "/v1/experiments": {"name": "q", "dataset": dataset},
        "/v1/evaluations": {"dataset": dataset, "scores": guarded.file("scores.jsonl")},
        "/v1/estimates": {"name": "q", "dataset": dataset},
        "/v1/jobs": {"cell": 52, "dataset": dataset},
        "/v1/preflights": {"dataset": dataset, "mode": "static"},
        "/v1/inspections": {"source": guarded.file()},
        "/v1/experiments/{experiment_id}/bundle": {},
        "/v1/bundles/{bundle_id}/predict": {"functions": ["int f(void) { return 0; }"]},
    }
    assert {path for path in document["paths"] if has_priority(document, path)} == set(bodies)

    for path, body in bodies.items():
        url = path.replace("{experiment_id}", done).replace("{bundle_id}", bundle)
        above = 51 if path.endswith(("predict", "inspections")) else 1
        answer = guarded.client.post(url, json={**body, "priority": above})
        assert_refused(answer, status=403, code="priority_not_allowed", pointers=["/priority"])
        # A bundle that is not packed yet scores nothing, whatever the priority.
        assert guarded.client.post(url, json={**body, "priority": -1}).status_code in (202, 409), url
    log_in(guarded, "root", Scope.ADMIN)
    assert guarded.client.post("/v1/jobs", json={**bodies["/v1/jobs"], "priority": 100}).status_code == 202


def has_priority(document: dict[str, Any], path: str) -> bool:
    """Return whether a POST to the path takes a body with a priority."""
    content = document["paths"][path].get("post", {}).get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    named = [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]
    schemas = document["components"]["schemas"]
    return any(
        "priority" in schemas.get(one.get("$ref", "").rpartition("/")[2], {}).get("properties", {}) for one in named
    )


def test_what_the_release_before_has_inserted_without_an_owner_follows_its_experiment(
    guarded: Api,
) -> None:

    log_in(guarded, "alice")
    experiment = guarded.experiment()
    run = guarded.client.get("/v1/runs", params={"experiment": experiment}).json()["items"][0]["id"]
    with guarded.database.begin() as session:
        session.execute(update(JobRow).values(owner_id=None))
        session.execute(update(RunRow).values(owner_id=None))

    assert guarded.client.post(f"/v1/runs/{run}/pause").status_code == 202
    log_in(guarded, "bob")
    assert_refused(guarded.client.post(f"/v1/runs/{run}/resume"), status=403, code="not_owner", pointers=[])


def test_a_step_that_an_admin_adds_is_that_of_the_experiments_owner(guarded: Api) -> None:
    alice = log_in(guarded, "alice")
    experiment = guarded.experiment(autopilot=False)
    log_in(guarded, "root", Scope.ADMIN)
    step = guarded.client.post("/v1/jobs", json={"cell": 51, "experiment": experiment}).json()
    log_back_in = create_token_of(guarded, alice)

    guarded.client.headers["Authorization"] = f"Bearer {log_back_in}"

    assert (step["owner"], step["owner_id"]) == ("alice", alice)
    assert guarded.client.post(f"/v1/jobs/{step['id']}/cancel").status_code == 202
    assert guarded.client.post(f"/v1/experiments/{experiment}/cancel").status_code == 202
    assert guarded.client.delete(f"/v1/experiments/{experiment}").status_code == 200


def create_token_of(api: Api, principal_id: str) -> str:
    """Return another token of a principal."""
    with api.database.begin() as session:
        return create_token(session, name="again", scope=Scope.SUBMIT, principal_id=principal_id).secret


@pytest.mark.parametrize("prefix", ["abc", "tok", "pri"])
def test_an_id_of_a_kind_that_belongs_to_nobody_is_refused_like_any_wrong_id(guarded: Api, prefix: str) -> None:
    log_in(guarded, "alice")

    answer = guarded.client.post(f"/v1/runs/{prefix}_{'0' * 26}/cancel")

    assert_refused(answer, status=422, code="invalid_request", pointers=["#path/run_id"])


def test_no_token_passes_for_the_console_or_the_service(guarded: Api) -> None:
    guarded.client.headers["Authorization"] = f"Bearer {BOOTSTRAP}"

    for reserved in (CONSOLE, SYSTEM):
        body = {"name": "mallory", "scope": "admin", "principal": reserved.id}
        answer = guarded.client.post("/v1/tokens", json=body)
        assert_refused(answer, status=422, code="invalid_spec", pointers=["/principal"])


def test_what_others_have_asked_a_bundle_does_not_keep_a_data_set_from_its_owner(guarded: Api) -> None:
    log_in(guarded, "alice")
    dataset = guarded.ready_dataset()
    with guarded.database.begin() as session:
        config = {"bundle": "bun_" + "0" * 26, "functions": []}
        bob = Owner(id="pri_" + "9" * 26, name="bob")
        job_id = create_job(session, cell=Cell.SCORE, dataset_id=dataset, config=config, seeds=[0], owner=bob).id

    kept = guarded.client.delete(f"/v1/datasets/{dataset}")
    with guarded.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.job_id == job_id).values(state="succeeded"))
    gone = guarded.client.delete(f"/v1/datasets/{dataset}")

    assert_refused(kept, status=409, code="still_used", pointers=[])
    assert (gone.status_code, gone.json()["counts"]) == (200, {"dataset": 1, "job": 2, "run": 2})
    assert guarded.client.get(f"/v1/jobs/{job_id}").status_code == 404
