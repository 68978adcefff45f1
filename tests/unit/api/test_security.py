"""Who may ask, what leaves the service, and what starting it costs."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from service.app import NotReady, create_app
from service.settings import Settings
from tests.api_client import Api, RecordingNotifier, running_api

TOKEN = "correct-horse-battery-staple-and-cart"
NOT_THE_TOKEN = [
    b"",
    b"Bearer",
    b"Bearer ",
    b"Bearer wrong-horse-battery-staple",
    f"Bearer {TOKEN}x".encode(),
    f"Bearer {TOKEN[:-1]}".encode(),
    f"Basic {TOKEN}".encode(),
    TOKEN.encode(),
    "Bearer häuser".encode("latin-1"),
]
SECRET = "a-password-in-an-error-message"


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Api]:
    """The app, asking for a token."""
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": TOKEN})) as app:
        yield app


@pytest.mark.parametrize("path", ["/v1/experiments", "/openapi.json", "/v1/nothing", "//v1/runs", "/static"])
def test_without_the_token_nothing_is_revealed(guarded: Api, path: str) -> None:
    for given in NOT_THE_TOKEN:
        answer = guarded.client.get(f"http://testserver{path}", headers={b"Authorization": given})

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), given
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert TOKEN not in answer.text


def test_without_the_token_nothing_is_created(guarded: Api) -> None:
    answer = guarded.client.post("/v1/datasets", json={"name": "made", "source": guarded.file()})

    assert answer.status_code == 401
    assert set(guarded.counts().values()) == {0}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_token_everything_is_open(guarded: Api, scheme: str) -> None:
    answer = guarded.client.get("/v1/experiments", headers={"Authorization": f"{scheme} {TOKEN}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz"])
def test_probes_and_the_page_that_asks_for_the_token_need_none(guarded: Api, path: str) -> None:
    assert guarded.client.get(path).status_code == 200


def test_what_the_page_is_made_of_needs_no_token(guarded: Api) -> None:
    answer = guarded.client.get("/static/assets/none.js")

    # Looked for, and not there: whether the page has been built is another test's matter.
    assert answer.status_code == 404


def test_no_path_below_static_leads_back_into_the_api(guarded: Api) -> None:
    for path in ("/static/../v1/experiments", "/static/%2e%2e/v1/experiments", "/static/..%2fv1%2fexperiments"):
        assert guarded.client.get(path).status_code in (401, 404)


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="32"):
        Settings.model_validate({"data_dir": tmp_path, "token": "x" * 31})


def test_settings_come_from_the_environment_and_do_not_show_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLGATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CELLGATE_TOKEN", TOKEN)
    monkeypatch.setenv("CELLGATE_DATA_ROOTS", f'["{tmp_path}/more"]')

    settings = Settings()

    assert settings.database == f"sqlite:///{tmp_path}/cellgate.db"
    assert settings.artifacts == tmp_path / "artifacts"
    assert settings.roots == [tmp_path / "data", tmp_path / "more"]
    assert TOKEN not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_settings_are_shown_without_the_passwords_in_their_urls(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url=f"postgresql://cellgate:{SECRET}@host/db", redis_url=f"redis://:{SECRET}@host/0"
    )

    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize("wrong", [{"token": "hunter2"}, {"port": -1, "redis_url": "redis://:hunter2@h"}])
def test_settings_that_are_refused_do_not_show_what_was_secret_in_them(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(wrong)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("path", ["/", "/v1/experiments", "/v1/nothing", "/livez", "/fails"])
def test_every_answer_carries_the_headers_that_keep_browsers_safe(api: Api, path: str) -> None:
    _add_failure(api, RuntimeError(SECRET))

    headers = api.client.get(path).headers

    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Request-Id"]


def test_a_failure_inside_tells_the_caller_where_to_look_and_nothing_else(api: Api) -> None:
    error = RuntimeError(SECRET)
    _add_failure(api, error)

    answer = api.client.get("/fails")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal_error")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["trace_id"] == answer.headers["X-Request-Id"]
    assert SECRET not in answer.text
    [logged] = [line for line in api.logs if line["event"] == "request_failed"]
    assert (logged["trace_id"], logged["exc_info"]) == (problem["trace_id"], error)


def test_a_caller_who_leaves_is_no_failure_of_ours(api: Api) -> None:
    _add_failure(api, ClientDisconnect())

    assert api.client.get("/fails").status_code == 400
    assert "request_failed" not in [line["event"] for line in api.logs]


def test_a_request_id_of_the_caller_is_kept_when_it_is_one(api: Api) -> None:
    def id_for(headers: dict[str, str]) -> str:
        return str(api.client.get("/livez", headers=headers).headers["X-Request-Id"])

    trace = "0af7651916cd43dd8448eb211c80319c"
    assert id_for({"X-Request-Id": "mine-1"}) == "mine-1"
    assert id_for({"traceparent": f"00-{trace}-b7ad6b7169203331-01", "X-Request-Id": "mine-1"}) == trace
    assert id_for({"X-Request-Id": "two words"}) != "two words"
    assert id_for({"X-Request-Id": "x" * 65}) != "x" * 65


def test_what_changes_something_or_fails_is_logged_and_what_is_polled_is_not(api: Api) -> None:
    api.dataset()
    api.client.get("/v1/runs")
    api.client.get("/v1/nothing")

    shown = [(line["method"], line["path"], line["status"]) for line in api.logs if line["log_level"] == "info"]

    assert shown == [("POST", "/v1/datasets", 202), ("GET", "/v1/nothing", 404)]


def test_the_service_does_not_start_on_an_old_schema(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path), notifier=RecordingNotifier())

    with pytest.raises(NotReady, match="cellgate migrate"), TestClient(app):
        pass


def test_the_service_does_not_start_without_a_broker(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="CELLGATE_REDIS_URL"):
        create_app(Settings(data_dir=tmp_path))


def test_starting_the_service_imports_nothing_heavy() -> None:
    heavy = ["torch", "numpy", "scipy", "transformers", "pyarrow", "sklearn", "worker", "tree_sitter"]
    # Of the first migration, message, failure of the broker, webhook and report.
    heavy += ["alembic", "mako", "celery", "kombu", "httpx", "jinja2"]
    program = "import sys, service.app; print(*sys.modules)"

    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = imported.stdout.split()
    assert set(heavy).isdisjoint(loaded)
    # Exporters of traces come with an endpoint to send them to.
    assert [name for name in loaded if name.startswith("opentelemetry.exporter")] == []


def _add_failure(api: Api, error: Exception) -> None:
    router = APIRouter()

    @router.get("/fails")
    def fail() -> None:
        raise error

    app = api.client.app
    assert isinstance(app, FastAPI)
    app.include_router(router)
