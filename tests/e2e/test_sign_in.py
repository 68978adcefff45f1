"""Signing in, in a real browser over a service that wants a token: reasons, tabs, and buttons by scope and owner."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cellgate.contract.api.tokens import Scope
from cellgate.contract.experiment import ExperimentSpec
from service.domain.principals import NOBODY
from service.store.experiments import create_experiment
from service.store.tokens import create_token, principal_of, revoke_token
from tests.live_server import LiveServer, run_live_server

BOOTSTRAP = "a secret of 32 characters or more"
SPEC = ExperimentSpec(seeds=[0, 1])


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service that wants a token."""
    with run_live_server(tmp_path_factory.mktemp("locked"), token=BOOTSTRAP) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without cookies."""
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    yield made
    made.close()


def a_token(locked: LiveServer, name: str, scope: Scope = Scope.SUBMIT) -> tuple[str, str]:
    """Return the id and the secret of a new token."""
    with locked.database.begin() as session:
        made = create_token(session, name=name, scope=scope)
        return made.row.id, made.secret


def sign_in(page: Page, locked: LiveServer, secret: str, place: str = "") -> None:
    page.goto(f"{locked.url}/{place}")
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Sign in").click()


def test_a_wrong_token_is_told_and_the_right_one_opens_the_page(locked: LiveServer, context: BrowserContext) -> None:
    page = context.new_page()
    sign_in(page, locked, "wrong")

    expect(page.get_by_role("alert")).to_have_text("Not signed in: this token is none of this server's.")
    expect(page.get_by_label("Token")).to_be_focused()

    page.get_by_label("Token").fill(BOOTSTRAP)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.locator(".account")).to_contain_text("token (admin)")
    # No script can read what keeps the user signed in.
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")


def test_all_tabs_share_the_session_and_its_end(locked: LiveServer, context: BrowserContext) -> None:
    first, second = context.new_page(), context.new_page()
    second.goto(locked.url)
    expect(second.get_by_role("heading", name="Sign in")).to_be_visible()

    sign_in(first, locked, BOOTSTRAP)
    expect(second.get_by_role("button", name="Sign out")).to_be_visible()
    third = context.new_page()
    third.goto(f"{locked.url}/#/datasets")
    expect(third.get_by_role("heading", name="Data sets")).to_be_visible()

    second.get_by_role("button", name="Sign out").click()
    for page in (first, second, third):
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(second.get_by_text("This service wants a token.")).to_be_visible()


def test_a_page_whose_token_is_revoked_says_so_and_stays_at_its_place(
    locked: LiveServer, context: BrowserContext
) -> None:
    token_id, secret = a_token(locked, "leaving", Scope.READ)
    experiment = locked.experiment(locked.dataset("kept"), "watched", SPEC)
    page = context.new_page()
    sign_in(page, locked, secret, f"#/experiments/{experiment}")
    expect(page.locator("main h1")).to_contain_text("watched")

    with locked.database.begin() as session:
        revoke_token(session, token_id)

    expect(page.get_by_text("The session has ended: its token was revoked: sign in again.")).to_be_visible()
    page.get_by_label("Token").fill(BOOTSTRAP)
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_contain_text("watched")


@pytest.mark.parametrize(
    ("scope", "own", "shown"),
    [(Scope.READ, True, 0), (Scope.SUBMIT, True, 1), (Scope.SUBMIT, False, 0), (Scope.ADMIN, False, 1)],
)
def test_nobody_sees_a_button_that_would_be_refused(
    locked: LiveServer, context: BrowserContext, scope: Scope, own: bool, shown: int
) -> None:
    with locked.database.begin() as session:
        made = create_token(session, name=f"user-{scope}-{own}", scope=scope)
        owner = principal_of(session, made.row).owner
    dataset = locked.dataset(f"set-{scope}-{own}")
    with locked.database.begin() as session:
        whose = owner if own else NOBODY
        made_id = create_experiment(session, name="mine or not", dataset_id=dataset, spec=SPEC, owner=whose).id
    page = context.new_page()

    sign_in(page, locked, made.secret, f"#/experiments/{made_id}")

    expect(page.locator("main h1")).to_contain_text("mine or not")
    expect(page.locator(".account")).to_contain_text(f"({scope})")
    expect(page.get_by_role("button", name="Cancel experiment")).to_have_count(shown)


def test_the_session_opens_the_report_by_a_plain_link(locked: LiveServer, context: BrowserContext) -> None:
    page = context.new_page()
    sign_in(page, locked, BOOTSTRAP)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    page.goto(f"{locked.url}/v1/whoami")
    expect(page.locator("body")).to_contain_text('"name":"token"')


def test_a_page_of_another_port_of_this_host_gets_nothing_by_the_session(
    locked: LiveServer, context: BrowserContext, tmp_path: Path
) -> None:
    page = context.new_page()
    sign_in(page, locked, BOOTSTRAP)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    with run_live_server(tmp_path) as other:
        page.goto(f"{other.url}/livez")
        # The browser may refuse to hand over the answer, or send nothing at all.
        ask = "([url, method]) => fetch(url, {method, credentials: 'include', mode: 'no-cors'}).catch(() => null)"
        answers: list[tuple[str, int]] = []
        page.on("response", lambda answer: answers.append((answer.request.method, answer.status)))
        for method, path in (("GET", "/v1/whoami"), ("POST", "/v1/prune")):
            page.evaluate(ask, [f"{locked.url}{path}", method])

    assert [one for one in answers if one[1] < 400] == []
