"""What cell 54 found, over HTTP: the evidence, the report, and the report as one page."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.store.tables import JobRow, RunRow
from tests.api_client import Api, assert_refused, get
from tests.fakes import F1s

F1S: F1s = {"transformer": [0.90, 0.91], "gnn": [0.88, 0.89], "ensemble": [0.93, 0.94], "fusion": [0.95, 0.95]}
WEAK: F1s = {**F1S, "gnn": [0.80, 0.81]}
NAME = "<script>alert('name')</script> & more"


class Page(HTMLParser):
    """The words of a page and every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        """All words of the page."""
        return " ".join(self.words)


def decided(api: Api, f1s: F1s = F1S, **fields: Any) -> str:
    experiment = api.experiment(**fields)
    api.trainers(f1s).work()
    return f"/v1/experiments/{experiment}"


@pytest.fixture(scope="module")
def kept(shared_api: Api) -> str:
    """An experiment that has been decided on, for tests that change nothing of it."""
    return decided(shared_api, name=NAME)


def report_file(api: Api) -> Path:
    with api.database.read() as session:
        chosen = select(RunRow.path).join(JobRow, RunRow.job_id == JobRow.id).where(JobRow.cell == "54")
        return api.settings.artifacts / str(session.scalars(chosen).one()) / "report.json"


@pytest.mark.parametrize("what", ["aggregate", "report", "report.html"])
def test_before_cell_54_has_weighed_there_is_nothing_to_report(api: Api, what: str) -> None:
    answer = api.client.get(f"/v1/experiments/{api.experiment()}/{what}")

    assert_refused(answer, status=404, code="evidence_pending", pointers=[])


@pytest.mark.parametrize("what", ["aggregate", "report", "report.html"])
def test_of_an_experiment_that_is_not_there_there_is_no_report(api: Api, what: str) -> None:
    answer = api.client.get(f"/v1/experiments/exp_01J8Z0K3V9Q4T6X2B5N7M1C8DA/{what}")

    assert_refused(answer, status=404, code="not_found", pointers=[])


def test_the_report_is_what_cell_54_has_left_with_the_evidence_of_the_decision(shared_api: Api, kept: str) -> None:
    found = get(shared_api, f"{kept}/report")

    assert (found["stage"], found["report"]["schema_version"]) == ("bases", 1)
    assert found["report"]["evidence"] == get(shared_api, f"{kept}/decision")["evidence"]
    assert found["report"]["evidence"] == get(shared_api, f"{kept}/aggregate")["evidence"]
    assert get(shared_api, f"/v1/runs/{found['run']}")["cell"] == 54
    assert [option["option"] for option in found["report"]["options"]] == ["transformer", "gnn", "ensemble"]


def test_after_fusion_the_report_is_that_of_all_options(api: Api) -> None:
    experiment = decided(api, policy={"fusion": "always"})

    found = get(api, f"{experiment}/report")

    assert found["stage"] == "final"
    assert found["report"]["options"][-1]["option"] == "fusion"


def test_a_report_that_is_held_is_not_sent_again(shared_api: Api, kept: str) -> None:
    first = shared_api.client.get(f"{kept}/report")

    again = shared_api.client.get(f"{kept}/report", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("what", ["report", "report.html"])
@pytest.mark.parametrize("damage", ["changed", "removed", "a link"])
def test_a_report_that_is_not_the_one_that_the_run_left_is_not_shown(api: Api, what: str, damage: str) -> None:
    experiment = decided(api)
    path = report_file(api)
    text = path.read_text()
    path.unlink()
    if damage == "changed":
        path.write_text(text.replace('"flip_rate": 0.1', '"flip_rate": 0.0'))
    elif damage == "a link":
        (path.parent / "elsewhere.json").write_text(text)
        path.symlink_to(path.parent / "elsewhere.json")

    assert_refused(api.client.get(f"{experiment}/{what}"), status=404, code="report_lost", pointers=[])
    assert get(api, f"{experiment}/aggregate")["evidence"]["rows"] == 300


def test_the_page_has_decision_gate_and_every_option_and_loads_nothing(shared_api: Api, kept: str) -> None:
    answer = shared_api.client.get(f"{kept}/report.html")

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    taken = get(shared_api, f"{kept}/decision")
    for recorded in (NAME, "Ship the ensemble", taken["rule"], *taken["reasons"], *taken["next_steps"]):
        assert " ".join(recorded.split()) in page.text
    for check in get(shared_api, f"{kept}/gate")["checks"]:
        assert check["title"] in page.text
        assert " ".join(check["reason"].replace(" | ", "; ").split()) in page.text
    for option in ("Transformer", "Graph network", "Ensemble"):
        assert option in page.text
    assert "0.9350" in page.text
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "audio", "video", "base"}
    for tag, attributes in page.elements:
        assert not any(name == "style" or name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,"))
    assert "url(" not in answer.text
    assert "@import" not in answer.text


def test_the_page_s_own_policy_lets_its_one_style_sheet_pass_and_nothing_else(shared_api: Api, kept: str) -> None:
    import base64
    import hashlib

    answer = shared_api.client.get(f"{kept}/report.html")

    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_waivers_and_overrulings_stand_on_the_page_with_who_and_why(api: Api) -> None:
    experiment = decided(api, WEAK)
    assert "Improve 51 and 52" in Page(api.client.get(f"{experiment}/report.html").text).text
    why = "The graph model is known to be weak here <for now>."
    api.client.post(f"{experiment}/gate/waivers", json={"check": "mean_f1_gnn", "reason": why})
    overruling = {"outcome": "single", "option": "transformer", "reason": "Graphs cannot be built there."}
    assert api.client.post(f"{experiment}/decision", json=overruling).status_code == 202

    page = Page(api.client.get(f"{experiment}/report.html").text)

    assert f"; waived by local: {why}" in page.text
    assert "Overruled by local: Ship the transformer alone. Graphs cannot be built there." in page.text
    chosen = [attributes for tag, attributes in page.elements if tag == "tr" and attributes.get("class") == "chosen"]
    assert len(chosen) == 1
    assert "Transformer chosen" in page.text


def test_the_gate_shows_the_interval_that_the_evidence_has(shared_api: Api, kept: str) -> None:
    checks = {check["name"]: check for check in get(shared_api, f"{kept}/gate")["checks"]}
    options = {option["option"]: option for option in get(shared_api, f"{kept}/aggregate")["evidence"]["options"]}

    for name in ("transformer", "gnn"):
        interval = options[name]["f1_interval"]
        assert checks[f"mean_f1_{name}"]["interval"] == [interval["low"], interval["high"]]
