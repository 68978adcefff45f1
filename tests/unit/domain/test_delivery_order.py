"""The order of deliveries: by standing, each receiver in turn, and places kept for those who fare better."""

import pytest

from service.domain.delivery_order import Candidate, Places, Standing, choose, origin_of

NEW, PROVEN, FAILING = Standing.NEW, Standing.PROVEN, Standing.FAILING


def waiting(number: int, origin: str, standing: Standing = NEW) -> list[Candidate]:
    """Return deliveries of as many webhooks of one receiver; their ids are `origin` and a number."""
    return [
        Candidate(delivery_id=f"{origin}{index}", webhook_id=f"wh_{origin}{index}", origin=origin, standing=standing)
        for index in range(number)
    ]


def test_receivers_have_their_turn_however_many_webhooks_each_has() -> None:
    due = [*waiting(3, "a"), *waiting(2, "b"), *waiting(1, "c")]

    assert choose(due, [], places=Places(), limit=10) == ["a0", "b0", "c0", "a1", "b1", "a2"]


def test_what_is_on_its_way_to_a_receiver_counts_as_turns_it_has_had() -> None:
    due = [*waiting(2, "a"), *waiting(2, "b")]

    assert choose(due, waiting(1, "a"), places=Places(), limit=10) == ["b0", "a0", "b1", "a1"]


def test_proven_webhooks_come_first_and_failing_ones_last() -> None:
    due = [*waiting(1, "bad", FAILING), *waiting(1, "new"), *waiting(2, "good", PROVEN)]

    assert choose(due, [], places=Places(), limit=3) == ["good0", "good1", "new0"]


def test_failing_webhooks_leave_places_for_new_ones_and_both_for_proven_ones() -> None:
    places = Places(total=6, unproven=4, failing=2, per_origin=10)
    due = [*waiting(9, "good", PROVEN), *waiting(9, "new"), *waiting(9, "bad", FAILING)]

    only_bad = choose(due[18:], [], places=places, limit=10)
    new_beside_bad = choose(due[9:], waiting(2, "bad", FAILING), places=places, limit=10)
    good_beside_both = choose(due, [*waiting(2, "bad", FAILING), *waiting(2, "new")], places=places, limit=10)

    assert (only_bad, new_beside_bad, good_beside_both) == (["bad0", "bad1"], ["new0", "new1"], ["good0", "good1"])


def test_proven_webhooks_may_take_every_place() -> None:
    places = Places(total=3, unproven=2, failing=1)

    assert len(choose(waiting(9, "good", PROVEN), [], places=places, limit=10)) == 3


def test_one_receiver_has_no_more_than_its_places_unless_its_webhooks_are_proven() -> None:
    places = Places(per_origin=2)

    assert choose(waiting(5, "a"), waiting(1, "a"), places=places, limit=10) == ["a0"]
    assert len(choose(waiting(5, "a", PROVEN), waiting(2, "a"), places=places, limit=10)) == 5


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.org/hooks?team=a", "example.org:443"),
        ("http://example.org:8080/", "example.org:8080"),
        ("http://[::1]/", "::1:80"),
        ("http://[", "http://["),
        ("http://a:99999/", "http://a:99999/"),
    ],
)
def test_a_receiver_is_a_host_and_a_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin
