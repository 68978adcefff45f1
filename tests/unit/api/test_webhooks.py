"""Webhooks over HTTP: made, listed, tried, deleted; and the outbox that every event is written to."""

import json
from typing import Any

import pytest
from sqlalchemy import select, update

from service.settings import Settings
from service.store.tables import DeliveryRow, WebhookRow
from tests.api_client import Api, assert_refused, get, running_api

URL = "https://93.184.215.14/hooks"


def made(api: Api, **body: Any) -> dict[str, Any]:
    """A new webhook."""
    answer = api.client.post("/v1/webhooks", json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def reported(api: Api, webhook: dict[str, Any]) -> list[str]:
    """The webhook's pending events, oldest first."""
    return [item["event"] for item in reversed(get(api, f"/v1/webhooks/{webhook['id']}/deliveries?limit=500")["items"])]


def test_a_webhook_shows_its_secret_once(api: Api) -> None:
    webhook = made(api, events=["run.failed", "run.failed"])
    secret = webhook.pop("secret")

    assert secret.startswith("whsec_")
    assert webhook["events"] == ["run.failed"]
    assert get(api, "/v1/webhooks") == [webhook]
    assert get(api, f"/v1/webhooks/{webhook['id']}") == webhook
    assert secret not in json.dumps(api.logs, default=str)
    assert api.client.delete(f"/v1/webhooks/{webhook['id']}").status_code == 204
    assert get(api, "/v1/webhooks") == []
    assert api.client.delete(f"/v1/webhooks/{webhook['id']}").status_code == 404


def test_every_step_of_an_experiment_is_sent_once_to_each_subscriber(api: Api) -> None:
    everything, failures = made(api), made(api, events=["run.failed", "gate.fail"])
    experiment = api.experiment()
    api.trainers().work()
    runs = get(api, "/v1/runs?limit=500")["items"]

    events = reported(api, everything)
    assert sorted(events) == sorted(
        ["dataset.ready", "gate.pass", "decision.taken", "experiment.succeeded", *["run.succeeded"] * len(runs)]
    )
    assert events.index("gate.pass") < events.index("decision.taken") < events.index("experiment.succeeded")
    assert reported(api, failures) == []
    with api.database.read() as session:
        chosen = select(DeliveryRow.body).where(DeliveryRow.event == "decision.taken")
        bodies = [json.loads(body) for body in session.scalars(chosen)]
    decision = get(api, f"/v1/experiments/{experiment}/decision")
    assert [body["data"] for body in bodies] == [
        {
            "experiment": experiment,
            "name": "question",
            **{name: decision[name] for name in ("stage", "outcome", "option", "confidence")},
        }
    ]


def test_what_did_not_happen_is_not_sent(api: Api) -> None:
    webhook = made(api)
    experiment = api.experiment()
    before = reported(api, webhook)

    waiver = {"check": "positives", "reason": "because I say so"}
    refused = api.client.post(f"/v1/experiments/{experiment}/gate/waivers", json=waiver)

    assert refused.status_code == 409
    assert reported(api, webhook) == before


@pytest.mark.parametrize("host", ["ab..cd", f"{'a' * 64}.example", "☃.example"])
def test_a_host_name_that_cannot_exist_is_refused(settings: Settings, host: str) -> None:
    with running_api(Settings(data_dir=settings.data_dir, webhook_allow_private=True)) as api:
        answer = api.client.post("/v1/webhooks", json={"url": f"https://{host}/hooks"})

        problem = assert_refused(answer, status=422, code="invalid_spec", pointers=["/url"])
        assert "no host name" in problem["errors"][0]["detail"]
        assert get(api, "/v1/webhooks") == []


def test_a_webhook_shows_whether_its_circuit_is_open(api: Api) -> None:
    webhook = made(api)
    assert (webhook["circuit"], webhook["failures"], webhook["probe_at"]) == ("closed", 0, None)

    with api.database.begin() as session:
        session.execute(update(WebhookRow).values(failures=5, probe_at=2e9))

    [found] = get(api, "/v1/webhooks")
    assert found == get(api, f"/v1/webhooks/{webhook['id']}")
    assert (found["circuit"], found["failures"], found["probe_at"]) == ("open", 5, "2033-05-18T03:33:20Z")
    assert "cellgate_webhook_circuits_open 1.0" in api.client.get("/metrics").text


def test_a_test_is_sent_whatever_the_webhook_subscribes_to(api: Api) -> None:
    webhook = made(api, events=["run.failed"])
    answer = api.client.post(f"/v1/webhooks/{webhook['id']}/test")

    assert (answer.status_code, answer.json()["state"], answer.json()["tries"]) == (202, "pending", 0)
    assert reported(api, webhook) == ["webhook.test"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost:9000/",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "http://0x7f.1/",
    ],
)
def test_private_addresses_are_refused_unless_they_are_allowed(api: Api, settings: Settings, url: str) -> None:
    assert_refused(
        api.client.post("/v1/webhooks", json={"url": url}), status=422, code="invalid_spec", pointers=["/url"]
    )

    with running_api(settings.model_copy(update={"webhook_allow_private": True})) as trusting:
        assert trusting.client.post("/v1/webhooks", json={"url": url}).status_code == 201


def test_every_mistake_in_a_webhook_is_named(api: Api) -> None:
    wrong = api.client.post("/v1/webhooks", json={"url": 3, "events": ["run.done"], "secret": "mine"})

    assert_refused(wrong, status=422, code="invalid_request", pointers=["/url", "/events/0", "/secret"])


def test_there_are_fifty_webhooks_at_most(api: Api) -> None:
    for _ in range(50):
        made(api, events=["run.failed"])

    assert_refused(api.client.post("/v1/webhooks", json={"url": URL}), status=429, code="quota_exceeded", pointers=[])
