"""The audit log: each change is one entry, in its own transaction, and a route cannot forget it."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

import service.api.routes
from cellgate.contract.api.audit import AuditOutcome
from cellgate.contract.api.tokens import Scope
from cellgate.contract.artifacts import BUNDLE_FOLDER, BUNDLE_MANIFEST_NAME
from service.api import refusals
from service.api.recording import NotRecorded
from service.rights_table import all_rights
from service.settings import Settings
from service.store.audit import AuditFilters, list_audit, prune_audit
from service.store.tables import AuditRow, RunRow
from service.store.tokens import create_token
from service.store.workers import register_worker
from tests.api_client import Api, assert_refused, get, running_api
from tests.fakes import F1s

WEAK_GNN: F1s = {"transformer": [0.90, 0.91], "gnn": [0.80, 0.81], "ensemble": [0.93, 0.94], "fusion": [0.95, 0.95]}
REASON = "The graph model is known to be weak here; we ship the ensemble."
BOOTSTRAP = "correct-horse-battery-staple-and-cart"
WORKER = "host.example:17"


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Api]:
    """The app, asking for a token."""
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": BOOTSTRAP})) as app:
        yield app


def count(api: Api) -> int:
    with api.database.read() as session:
        return session.scalar(select(func.count()).select_from(AuditRow)) or 0


def newest(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = get(api, "/v1/audit?limit=1")["items"][0]
    return found


class Walk:
    """Sends one request to each route that changes something, and looks at the entry that it leaves."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.principal = "local"
        self.seen: dict[str, dict[str, Any]] = {}

    def send(self, operation: str, method: str, path: str, **more: Any) -> Any:
        """Send a request that is accepted; it must leave one entry, about this operation."""
        before = count(self.api)
        answer = self.api.client.request(method, path, **more)
        assert answer.is_success, (operation, answer.text)
        assert count(self.api) == before + 1, operation
        entry = newest(self.api)
        assert (entry["action"], entry["outcome"], entry["principal"]) == (operation, "done", self.principal)
        self.seen[operation] = entry
        return answer

    def post(self, operation: str, path: str, body: Any = None) -> Any:
        """Send a POST."""
        return self.send(operation, "POST", path, json=body)


def walk_data_and_experiments(walk: Walk) -> None:
    api = walk.api
    upload = walk.send("upload", "PUT", "/v1/uploads/functions.jsonl", content=b'{"func": "f", "target": 0}\n').json()
    dataset = walk.post("add_dataset", "/v1/datasets", {"name": "made", "source": api.file()}).json()["id"]
    api.trainers().work()
    walk.post("inspect_source", "/v1/inspections", {"source": api.file()})
    walk.post("submit_preflight", "/v1/preflights", {"dataset": dataset, "mode": "static"})
    body = {"name": "question", "dataset": dataset, "seeds": [0, 1]}
    walk.post("evaluate", "/v1/evaluations", {"dataset": dataset, "scores": api.file("scores.jsonl")})
    walk.post("estimate", "/v1/estimates", body)
    cancelled = walk.post("submit_experiment", "/v1/experiments", body).json()["id"]
    for verb in ("pause", "resume"):
        walk.post(f"{verb}_experiment", f"/v1/experiments/{cancelled}/{verb}")
    walk.post("cancel_experiment", f"/v1/experiments/{cancelled}/cancel")
    decided = f"/v1/experiments/{api.experiment(dataset)}"
    api.trainers(WEAK_GNN).work()
    walk.post("waive_check", f"{decided}/gate/waivers", {"check": "mean_f1_gnn", "reason": REASON})
    walk.post("overrule_decision", f"{decided}/decision", {"outcome": "improve", "reason": REASON})
    more = walk.post("add_seeds", f"{decided}/seeds", {"seeds": [2]}).json()["id"]
    api.client.post(f"/v1/experiments/{more}/cancel")
    bundle = walk.post("pack_bundle", f"{decided}/bundle", {"kind": "single", "option": "gnn"}).json()["id"]
    with api.database.begin() as session:
        packed = {"state": "succeeded", "path": "packed", "result": {"artifacts": {}}}
        session.execute(update(RunRow).where(RunRow.cell == "pack").values(packed))
    manifest = api.settings.artifacts / "packed" / BUNDLE_FOLDER / BUNDLE_MANIFEST_NAME
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    walk.post("predict", f"/v1/bundles/{bundle}/predict", {"functions": ["int f(void) { return 0; }"]})
    job = walk.post("submit_job", "/v1/jobs", {"cell": 52, "dataset": dataset, "seeds": [0, 1]}).json()
    for verb in ("pause", "resume", "cancel", "retry"):
        walk.post(f"{verb}_job", f"/v1/jobs/{job['id']}/{verb}")
    run = get(api, f"/v1/jobs/{job['id']}")["runs"][0]["id"]
    for verb in ("pause", "resume", "cancel", "retry"):
        walk.post(f"{verb}_run", f"/v1/runs/{run}/{verb}")
    with api.database.begin() as session:
        session.execute(update(RunRow).where(RunRow.state == "queued").values(state="cancelled"))
    # In the order in which nothing that goes is still used: the run was replaced, and the experiment has its bundle.
    experiment = decided.removeprefix("/v1/experiments/")
    kept = [("bundle", bundle), ("experiment", experiment), ("run", run), ("job", job["id"])]
    for kind, row_id in (*kept, ("dataset", dataset), ("upload", upload["id"])):
        path = f"/v1/{kind}s/{row_id}"
        walk.send(f"change_{kind}", "PATCH", path, json={"note": "a word"})
        walk.send(f"delete_{kind}", "DELETE", f"{path}?cascade=true")
    walk.post("prune", "/v1/prune", {"older_than_days": 90})


def walk_operations(walk: Walk) -> None:
    with walk.api.database.begin() as session:
        register_worker(session, worker_id=WORKER, queues=["cpu"], slots=1)
    for verb in ("drain", "resume"):
        walk.post(f"{verb}_worker", f"/v1/workers/{WORKER}/{verb}")
    token = walk.post("issue_token", "/v1/tokens", {"name": "ci", "scope": "read"}).json()
    hook = {"url": "https://example.org/hooks/very-secret", "events": ["decision.taken"]}
    admin = walk.post("issue_token", "/v1/tokens", {"name": "anna", "scope": "admin"}).json()
    walk.principal = "anna"
    walk.post("sign_in", "/v1/session", {"token": admin["token"]})
    walk.send("sign_out", "DELETE", "/v1/session", headers={"Sec-Fetch-Site": "same-origin"})
    walk.principal = "local"
    walk.send("withdraw_token", "DELETE", f"/v1/tokens/{token['id']}")
    webhook = walk.post("add_webhook", "/v1/webhooks", hook).json()["id"]
    walk.post("try_webhook", f"/v1/webhooks/{webhook}/test")
    walk.send("remove_webhook", "DELETE", f"/v1/webhooks/{webhook}")


# A new route that changes something is walked here.
WALKS: tuple[Callable[[Walk], None], ...] = (walk_data_and_experiments, walk_operations)


def test_every_route_that_changes_something_leaves_exactly_one_entry(api: Api) -> None:
    walk = Walk(api)
    for one in WALKS:
        one(walk)

    assert set(walk.seen) == {rights.operation for rights in all_rights() if rights.whose is not None}
    about = {operation: (entry["kind"], (entry["object_id"] or "")[:4]) for operation, entry in walk.seen.items()}
    assert about["upload"] == ("upload", "upl_")
    assert about["submit_experiment"] == ("experiment", "exp_")
    assert about["pack_bundle"] == ("bundle", "bun_")
    assert about["retry_run"] == ("run", "run_")
    assert about["drain_worker"] == ("worker", "host")
    assert about["issue_token"] == ("token", "tok_")
    assert about["submit_preflight"] == (None, "")
    assert walk.seen["retry_run"]["detail"]["made"].startswith("run_")
    assert walk.seen["waive_check"]["reason"] == walk.seen["overrule_decision"]["reason"] == REASON
    assert walk.seen["change_run"]["detail"] == {"fields": ["note"]}
    assert walk.seen["delete_dataset"]["detail"]["cascade"] is True
    assert walk.seen["waive_check"]["detail"] == {"check": "mean_f1_gnn"}
    assert {entry["address"] for entry in walk.seen.values()} == {"testclient"}
    assert "very-secret" not in str(walk.seen)


def test_no_route_opens_a_transaction_that_writes_by_itself() -> None:
    modules = sorted(Path(service.api.routes.__path__[0]).glob("*.py"))
    calls = {
        (path.name, node.lineno)
        for path in modules
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "begin" and "database" in ast.unparse(node.value)
    }

    assert len(modules) > 10
    assert calls == set()


def test_a_change_without_an_entry_is_not_made(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.recording.record", lambda *_: None)

    answer = api.client.post("/v1/tokens", json={"name": "ci", "scope": "read"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert [type(line["exc_info"]) for line in api.logs if line["event"] == "request_failed"] == [NotRecorded]
    assert get(api, "/v1/tokens") == []


def test_a_request_that_is_answered_from_its_key_or_refused_as_wrong_leaves_no_entry(api: Api) -> None:
    body = {"cell": 52, "dataset": api.ready_dataset(), "seeds": [0]}
    key = {"Idempotency-Key": "the-only-one"}
    api.client.post("/v1/jobs", json=body, headers=key)
    before = count(api)

    assert api.client.post("/v1/jobs", json=body, headers=key).status_code == 202
    assert api.client.post("/v1/jobs", json={}).status_code == 422
    assert api.client.post(f"/v1/runs/run_{'0' * 26}/cancel").status_code == 404
    assert count(api) == before


def test_a_change_that_is_refused_for_lack_of_rights_is_an_entry(guarded: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_PER_PERIOD", 3)
    with guarded.database.begin() as session:
        reader = create_token(session, name="reader", scope=Scope.READ)
        writer = create_token(session, name="writer", scope=Scope.SUBMIT)
    admin = {"Authorization": f"Bearer {BOOTSTRAP}"}
    guarded.client.headers.update(admin)
    experiment = guarded.experiment()

    def refused(secret: str, path: str) -> None:
        answer = guarded.client.post(path, json={"cell": 51}, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 403

    refused(writer.secret, f"/v1/experiments/{experiment}/cancel")
    refused(writer.secret, "/v1/workers/w/drain")
    for _ in range(5):
        refused(reader.secret, "/v1/jobs")

    found = get(guarded, "/v1/audit?outcome=refused")["items"]
    assert [(one["principal"], one["action"], one["object_id"], one["detail"]["code"]) for one in found] == [
        *[("reader", "submit_job", None, "missing_scope")] * 3,
        ("writer", "drain_worker", "w", "missing_scope"),
        ("writer", "cancel_experiment", experiment, "not_owner"),
    ]
    assert found[-1]["token_id"] == writer.row.id


def test_the_log_is_for_admins_and_is_filtered_and_paged(guarded: Api) -> None:
    with guarded.database.begin() as session:
        writer = create_token(session, name="writer", scope=Scope.SUBMIT)
    guarded.client.headers["Authorization"] = f"Bearer {writer.secret}"
    experiment = guarded.experiment()
    guarded.client.post(f"/v1/experiments/{experiment}/cancel")
    assert_refused(guarded.client.get("/v1/audit"), status=403, code="missing_scope", pointers=[])
    guarded.client.headers["Authorization"] = f"Bearer {BOOTSTRAP}"
    guarded.experiment()

    def actions(**wanted: Any) -> list[str]:
        answer = guarded.client.get("/v1/audit", params=wanted)
        assert answer.status_code == 200, answer.text
        return [entry["action"] for entry in answer.json()["items"]]

    everything = actions()
    assert actions(principal=writer.row.principal_id) == ["cancel_experiment", "submit_experiment", "add_dataset"]
    assert actions(object=experiment) == ["cancel_experiment", "submit_experiment"]
    assert actions(action="cancel_experiment") == ["cancel_experiment"]
    assert actions(before="2001-01-01T00:00:00Z") == actions(since="2999-01-01T00:00:00Z") == []
    pages, after = [], None
    while True:
        page = guarded.client.get("/v1/audit", params={"limit": 2, **({"after": after} if after else {})}).json()
        pages += [entry["action"] for entry in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert pages == everything
    assert_refused(
        guarded.client.get("/v1/audit", params={"after": "x", "principal": "me"}),
        status=422,
        code="invalid_request",
        pointers=["#query/after", "#query/principal"],
    )


def test_entries_are_removed_by_age_alone_and_that_is_an_entry(api: Api) -> None:
    api.dataset()
    api.dataset()
    with api.database.begin() as session:
        oldest = session.scalar(select(func.min(AuditRow.id)))
        session.execute(update(AuditRow).where(AuditRow.id == oldest).values(at=0.0))

    assert (prune_audit(api.database, kept_s=3600), prune_audit(api.database, kept_s=3600)) == (1, 0)

    with api.database.read() as session:
        found = list_audit(session, AuditFilters(outcome=AuditOutcome.DONE))
    assert [(entry.action, entry.principal) for entry in found] == [("prune_audit", "system"), ("add_dataset", "local")]
    assert found[0].detail == {"removed": 1, "kept_s": 3600}


def test_a_deletion_tells_what_it_took_and_a_dry_run_tells_nothing(api: Api) -> None:
    experiment = api.experiment()
    api.trainers().work()
    before = count(api)
    wanted = {"older_than_days": 0, "keep_decisions": False}

    assert api.client.post("/v1/prune", json={**wanted, "dry_run": True}).json()["counts"]["experiment"] == 1
    assert api.client.delete(f"/v1/experiments/{experiment}?dry_run=true").status_code == 200
    assert count(api) == before
    counts = api.client.post("/v1/prune", json=wanted).json()["counts"]

    entry = newest(api)
    assert (entry["action"], entry["detail"]["counts"]) == ("prune", counts)
    assert experiment in entry["detail"]["ids"]
