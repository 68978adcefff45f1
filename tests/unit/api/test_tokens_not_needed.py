"""A service without a token: only on this machine, only under its names, and not for pages of other sites."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cellgate.contract.api.tokens import Scope
from service.app import create_app
from service.settings import Settings
from service.startup_check import MissingAdminToken
from service.store.database import Database
from service.store.tokens import create_token, revoke_named
from tests.api_client import Api, RecordingNotifier, assert_refused, running_api

TOKEN = "correct-horse-battery-staple-and-cart"
ELSEWHERE = [
    *("evil.example", "evil.example:8451", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.7", "[::2]"),
    *("0.0.0.0", "", "localhost:", "localhost:80:80", "evil@localhost", "localhost/", "a b", "[127.0.0.1"),
]
BEYOND = ["0.0.0.0", "::", "192.168.1.7", "cellgate.example.org", ""]


def beyond(settings: Settings, host: str = "0.0.0.0", **more: str) -> Settings:
    return Settings.model_validate({"data_dir": settings.data_dir, "host": host, **more})


@pytest.mark.parametrize("host", BEYOND)
def test_beyond_this_machine_the_service_does_not_start_without_a_token(settings: Settings, host: str) -> None:
    app = create_app(beyond(settings, host), notifier=RecordingNotifier())

    with (
        pytest.raises(MissingAdminToken, match=r"cellgate token new NAME --scope admin.*CELLGATE_TOKEN"),
        TestClient(app),
    ):
        pass


def test_beyond_this_machine_the_token_of_the_settings_lets_it_start(settings: Settings) -> None:
    with running_api(beyond(settings, token=TOKEN)) as api:
        assert api.client.get("/v1/runs").status_code == 401


def test_beyond_this_machine_a_live_admin_token_lets_it_start_and_nothing_less(settings: Settings) -> None:
    database = Database(settings.database)
    with database.begin() as session:
        create_token(session, name="reader", scope=Scope.SUBMIT)
        create_token(session, name="gone", scope=Scope.ADMIN)
        revoke_named(session, "gone")
        create_token(session, name="over", scope=Scope.ADMIN, expires_in_s=-1)
    app = create_app(beyond(settings), notifier=RecordingNotifier())
    with pytest.raises(MissingAdminToken), TestClient(app):
        pass

    with database.begin() as session:
        admin = create_token(session, name="admin", scope=Scope.ADMIN).secret
    database.dispose()

    with running_api(beyond(settings)) as api:
        assert api.client.get("/v1/runs").status_code == 401
        assert api.client.get("/v1/runs", headers={"Authorization": f"Bearer {admin}"}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_this_machine_no_token_is_needed(host: str, tmp_path: Path) -> None:
    assert not Settings.model_validate({"data_dir": tmp_path, "host": host}).requires_token


def test_where_none_is_needed_a_token_names_who_asks_and_a_wrong_one_is_refused(api: Api) -> None:
    with api.database.begin() as session:
        secret = create_token(session, name="reader", scope=Scope.READ).secret

    headers = {"Authorization": f"Bearer {secret}"}
    assert api.client.get("/v1/tokens").status_code == 200
    assert api.client.get("/v1/runs", headers=headers).status_code == 200
    assert api.client.get("/v1/tokens", headers=headers).status_code == 403
    assert api.client.get("/v1/runs", headers={"Authorization": "Bearer cg_wrong"}).status_code == 401


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8451", "127.0.0.1", "127.0.0.1:8451", "127.9.9.9", "[::1]", "[::1]:8451"]
)
def test_names_of_this_machine_are_served(api: Api, host: str) -> None:
    assert api.client.get("/v1/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize("path", ["/", "/v1/runs"])
def test_a_name_of_another_site_that_leads_here_is_refused(api: Api, host: str, path: str) -> None:
    answer = api.client.get(path, headers={"Host": host})

    problem = assert_refused(answer, status=403, code="foreign_caller", pointers=["#header/Host"])
    assert "set CELLGATE_TOKEN" in problem["detail"]


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://localhost:3000", "http://127.0.0.1", "http://localhost.evil.example"],
)
def test_a_page_of_another_origin_changes_nothing(api: Api, origin: str) -> None:
    body = {"name": "made", "source": api.file()}
    before = api.counts()

    answer = api.client.post("/v1/datasets", json=body, headers={"Origin": origin})

    assert_refused(answer, status=403, code="foreign_caller", pointers=["#header/Origin"])
    assert api.counts() == before


@pytest.mark.parametrize("origin", [None, "http://localhost", "https://localhost"])
def test_our_own_page_and_programs_may_change_things(api: Api, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    body = {"name": "made", "source": api.file()}

    assert api.client.post("/v1/datasets", json=body, headers=headers).status_code == 202


def test_where_a_token_is_required_it_decides_under_any_name(settings: Settings) -> None:
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": TOKEN})) as api:
        headers = {"Host": "cellgate.example", "Origin": "http://evil.example", "Authorization": f"Bearer {TOKEN}"}
        body = {"name": "made", "source": api.file()}

        assert api.client.post("/v1/datasets", json=body, headers=headers).status_code == 202
