"""What the dashboard's buttons do, pressed in a real browser over the real API."""

import pytest
from playwright.sync_api import Page, Request, Route, expect

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import FailureReason
from service.store import lifecycle, run_actions
from service.store.claims import Claim
from service.store.experiments import cancel_experiment
from service.store.runs import get_run
from tests.browser_page import Watched
from tests.live_server import LiveServer

SPEC = ExperimentSpec(seeds=[0, 1])
REFUSED = "console: Failed to load resource: the server responded with a status of 409 (Conflict)"
CUT_OFF = "console: Failed to load resource: net::ERR_FAILED"


def half_way(deployment: LiveServer, dataset: str) -> tuple[str, Claim]:
    """An experiment whose seed 0 of cell 51 runs; everything else of 51 and 52 is queued."""
    experiment = deployment.experiment(dataset, "half way", SPEC)
    trainers = deployment.trainers()
    trainers.work(limit=1)
    return experiment, trainers.begin_one()


def give_up(deployment: LiveServer, experiment: str, claim: Claim | None = None) -> None:
    """Leave nothing of the experiment to the next test."""
    with deployment.database.begin() as session:
        cancel_experiment(session, experiment)
        if claim is not None:
            lifecycle.cancelled(session, run_id=claim.run_id, attempt=claim.attempt)


def state_of(deployment: LiveServer, run_id: str) -> str:
    with deployment.database.read() as session:
        return get_run(session, run_id).state


def requests_of(page: Page) -> list[tuple[str, str | None]]:
    """A list that grows by (path, key) of every POST from now on."""
    found: list[tuple[str, str | None]] = []

    def see(request: Request) -> None:
        if request.method == "POST":
            found.append((request.url.partition("/v1")[2], request.headers.get("idempotency-key")))

    page.on("request", see)
    return found


def press(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("button", name=name, exact=True).click()


def buttons(page: Page) -> list[str]:
    return page.locator("main .actions").get_by_role("button").all_text_contents()


def test_a_running_run_is_cancelled_by_its_button_after_one_question(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    # given a running run
    experiment, claim = half_way(deployment, dataset)
    page = watched.open(f"#/runs/{claim.run_id}")
    requests = requests_of(page)

    # when its button is pressed and the question is answered with no, then nothing was asked of the server
    press(page, "Cancel run")
    expect(page.get_by_text("Cancel this run?")).to_be_visible()
    press(page, "No")
    expect(page.get_by_role("button", name="Pause run")).to_be_visible()
    assert requests == []

    # and when it is answered with yes, then the run is on its way out, and nothing more can be asked of it
    press(page, "Cancel run", "Yes, cancel run")
    expect(page.locator("main h1 .state")).to_have_text("cancelling")
    expect(page.get_by_role("button", name="run")).to_have_count(0)
    ((path, key),) = requests
    assert (path, len(key or "")) == (f"/runs/{claim.run_id}/cancel", 32)

    # and once its trainer is gone the page says so, also to who cannot see it
    with deployment.database.begin() as session:
        lifecycle.cancelled(session, run_id=claim.run_id, attempt=claim.attempt)
    expect(page.locator("main h1 .state")).to_have_text("cancelled")
    expect(page.locator(".actions [role=status]")).to_have_text("run: cancelled")
    expect(page.get_by_role("button", name="Retry run")).to_be_visible()
    give_up(deployment, experiment)


def test_a_waiting_run_is_paused_and_resumed(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    experiment, claim = half_way(deployment, dataset)
    waiting = deployment.run_of(experiment, "52", 1)
    page = watched.open(f"#/runs/{waiting}")

    press(page, "Pause run")
    expect(page.locator("main h1 .state")).to_have_text("paused")
    expect(page.get_by_text("It was paused on request: resume it to let it go on.")).to_be_visible()
    assert state_of(deployment, waiting) == "paused"
    assert buttons(page) == ["Resume run", "Cancel run"]

    press(page, "Resume run")
    expect(page.locator("main h1 .state")).to_have_text("queued")
    assert state_of(deployment, waiting) == "queued"
    assert buttons(page) == ["Pause run", "Cancel run"]
    give_up(deployment, experiment, claim)


def test_what_the_server_refuses_is_reported_with_its_reason(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    experiment = deployment.experiment(dataset, "given up", SPEC)
    give_up(deployment, experiment)
    page = watched.open(f"#/runs/{deployment.run_of(experiment, 'preflight', 0)}")

    press(page, "Retry run", "Yes, retry run")

    expect(page.locator("main").get_by_role("alert")).to_have_text(
        f"Not done: experiment {experiment} was cancelled; submit a new one"
    )
    expect(page.get_by_role("button", name="Retry run")).to_be_enabled()
    assert watched.wrong == [REFUSED]
    watched.wrong.clear()


def test_every_mistake_of_a_refusal_is_listed(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    experiment, claim = half_way(deployment, dataset)
    page = watched.open(f"#/runs/{deployment.run_of(experiment, '52', 0)}")

    def lengthen_the_key(route: Route) -> None:
        route.continue_(headers={**route.request.headers, "idempotency-key": "k" * 256})

    page.route("**/pause", lengthen_the_key)
    press(page, "Pause run")

    expect(page.locator("main").get_by_role("alert").locator("code")).to_have_text("#header/Idempotency-Key")
    assert len(watched.wrong) == 1
    watched.wrong.clear()
    give_up(deployment, experiment, claim)


def test_a_button_waits_for_its_answer_and_asks_again_with_the_same_key_when_none_came(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    # given a server that is slow to answer, and then cut off
    experiment, claim = half_way(deployment, dataset)
    page = watched.open(f"#/runs/{deployment.run_of(experiment, '52', 0)}")
    requests = requests_of(page)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/pause", hold)

    # then the buttons are disabled while it is asked
    with page.expect_request("**/pause"):
        press(page, "Pause run")
    expect(page.get_by_role("button", name="Pause run")).to_be_disabled()
    expect(page.get_by_role("button", name="Cancel run")).to_be_disabled()
    held[0].abort()
    expect(page.locator("main").get_by_role("alert")).to_have_text(
        "Not done: no answer from the server. Asking again does it once."
    )

    # and who asks again asks for the same
    page.unroute("**/pause")
    press(page, "Pause run")
    expect(page.locator("main h1 .state")).to_have_text("paused")
    expect(page.locator("main").get_by_role("alert")).to_have_text("")
    first, second = requests
    assert first == second
    assert watched.wrong == [CUT_OFF]
    watched.wrong.clear()
    give_up(deployment, experiment, claim)


def test_a_failed_run_is_tried_again_and_leads_to_the_one_in_its_place(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    # given an experiment that ended without one of its seeds
    experiment = deployment.experiment(dataset, "one seed lost", SPEC)
    trainers = deployment.trainers()
    trainers.failing = {(Cell.GNN, 1): (FailureReason.COLLAPSE, 5)}
    trainers.work()
    old = deployment.run_of(experiment, "52", 1)
    page = watched.open(f"#/runs/{old}")

    # when that is tried again, knowing what it costs
    press(page, "Retry run")
    expect(page.get_by_text("Try it again? What was concluded without it is withdrawn, and made anew.")).to_be_visible()
    press(page, "Yes, retry run")

    # then the page is that of the new run
    expect(page.locator("main h1 .state")).to_have_text("queued")
    new = deployment.run_of(experiment, "52", 1)
    expect(page).to_have_url(f"{deployment.url}/#/runs/{new}")

    # and the old one's says which run counts, and offers nothing
    watched.open(f"#/runs/{old}")
    expect(page.get_by_role("link", name="another run")).to_have_attribute("href", f"#/runs/{new}")
    expect(page.locator("main .actions").get_by_role("button")).to_have_count(0)

    # and the experiment has gone back to where it waits for it
    page.locator(".crumbs a").last.click()
    expect(page.locator(".job-head", has_text="52 gnn").locator(".state")).to_have_text("running")
    expect(page.get_by_role("button", name="Cancel experiment")).to_be_visible()
    give_up(deployment, experiment)


def test_what_was_concluded_leaves_the_page_when_a_job_is_tried_again(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    # given an experiment that concluded without a seed
    experiment = deployment.experiment(dataset, "concluded without", SPEC)
    trainers = deployment.trainers()
    trainers.failing = {(Cell.GNN, 1): (FailureReason.COLLAPSE, 5)}
    trainers.work()
    page = watched.open(f"#/experiments/{experiment}")
    expect(page.get_by_role("heading", name="Broken: 1 of 4 seeds")).to_be_visible()
    page.get_by_role("link", name="Seeds").click()
    expect(page.get_by_role("button", name="Retry 52 gnn")).to_be_visible()
    assert buttons(page) == ["Retry 52 gnn"]

    # when its job is tried again
    press(page, "Retry 52 gnn", "Yes, retry 52 gnn")

    # then the decision is gone at once, and comes anew when the seed has succeeded
    expect(page.get_by_role("button", name="Cancel experiment")).to_be_visible()
    page.get_by_role("link", name="Gate", exact=True).click()
    expect(page.get_by_role("region", name="Gate").locator(".head .state")).to_have_text("pending")
    page.get_by_role("link", name="Answer").click()
    expect(page.get_by_role("heading", name="No answer yet")).to_be_visible()
    trainers.failing.clear()
    trainers.work()
    expect(page.get_by_role("heading", name="Ship the ensemble")).to_be_visible()


def test_an_experiment_and_its_jobs_have_the_buttons_that_their_state_allows(
    deployment: LiveServer, dataset: str, watched: Watched
) -> None:
    # given an experiment with a running and a queued job
    experiment, claim = half_way(deployment, dataset)
    page = watched.open(f"#/experiments/{experiment}")
    expect(page.get_by_role("button", name="Pause 52 gnn")).to_be_visible()
    assert buttons(page) == [
        "Cancel experiment",
        *("Pause 51 transformer", "Cancel 51 transformer"),
        *("Pause 52 gnn", "Cancel 52 gnn"),
    ]

    # when the queued one is paused
    press(page, "Pause 52 gnn")
    expect(page.locator(".chip", has_text="seed 1").last).to_contain_text("paused")
    expect(page.get_by_role("button", name="Pause 52 gnn")).to_have_count(0)
    expect(page.get_by_role("button", name="Resume 52 gnn")).to_be_visible()

    # and then the whole experiment is cancelled
    press(page, "Cancel experiment", "Yes, cancel experiment")

    # then all that waited has ended at once, and there is nothing left to ask for
    expect(page.locator(".page-head .outcome")).to_have_text("Stopped")
    with deployment.database.begin() as session:
        lifecycle.cancelled(session, run_id=claim.run_id, attempt=claim.attempt)
    expect(page.locator(".job-head", has_text="51 transformer").locator(".state")).to_have_text("cancelled")
    expect(page.locator("main .actions").get_by_role("button")).to_have_count(0)


def test_a_question_is_answered_by_keyboard_alone(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    experiment, claim = half_way(deployment, dataset)
    page = watched.open(f"#/runs/{claim.run_id}")
    cancel = page.get_by_role("button", name="Cancel run")
    no = page.get_by_role("button", name="No", exact=True)

    # Enter twice asks and takes it back: the harmless answer has the focus
    cancel.focus()
    page.keyboard.press("Enter")
    expect(no).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Actions on run")).to_be_focused()

    # Escape takes it back as well
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(no).to_be_focused()
    page.keyboard.press("Escape")
    expect(cancel).to_be_visible()
    assert state_of(deployment, claim.run_id) == "running"

    # and yes is one step back
    cancel.focus()
    page.keyboard.press("Enter")
    expect(no).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main h1 .state")).to_have_text("cancelling")
    give_up(deployment, experiment, claim)


@pytest.mark.parametrize("step", ["51", "54-bases"])
def test_a_finished_run_has_no_button(deployment: LiveServer, dataset: str, watched: Watched, step: str) -> None:
    experiment = deployment.experiment(dataset, "finished", SPEC)
    deployment.trainers().work()
    page = watched.open(f"#/runs/{deployment.run_of(experiment, step, 0)}")
    expect(page.locator("main h1 .state")).to_have_text("succeeded")
    expect(page.locator("main .actions").get_by_role("button")).to_have_count(0)


def test_what_was_decided_is_packed_by_a_button(deployment: LiveServer, dataset: str, watched: Watched) -> None:
    experiment = deployment.experiment(dataset, "to be packed", SPEC)
    deployment.trainers().work()
    page = watched.open(f"#/experiments/{experiment}")
    posts = requests_of(page)

    press(page, "Accept and pack: ship the ensemble")

    packing = page.get_by_role("region", name="Bundles").get_by_role("link", name="packing")
    expect(packing).to_be_visible()
    run = str(packing.get_attribute("href")).rpartition("/")[2]
    assert [path for path, _ in posts] == [f"/experiments/{experiment}/bundle"]
    with deployment.database.begin() as session:
        assert get_run(session, run).cell == Cell.PACK
        run_actions.cancel_run(session, run)
    expect(page.get_by_role("region", name="Bundles").get_by_role("link", name="failed")).to_be_visible()
    assert watched.wrong == []
