"""Who may change what: the owner with `submit`, everybody with `admin`, nobody with `read`."""

import pytest

from cellgate.contract.api.tokens import Scope
from service.domain.errors import NotOwner, PriorityNotAllowed
from service.domain.principals import FIXED, RESERVED_NAMES, Principal
from service.domain.rights import check_may_change, check_priority

OWN, OTHER = "pri_00000000000000000000000009", "pri_00000000000000000000000008"


def principal(scope: Scope) -> Principal:
    return Principal(id=OWN, name="ci", scope=scope)


def test_submit_changes_its_own_things_and_no_others() -> None:
    check_may_change(principal(Scope.SUBMIT), OWN, "run run_1")

    with pytest.raises(NotOwner, match="run run_1 belongs to pri_00000000000000000000000008") as refused:
        check_may_change(principal(Scope.SUBMIT), OTHER, "run run_1")
    assert refused.value.extra == {"owner_id": OTHER}


def test_what_nobody_owns_is_for_admins() -> None:
    check_may_change(principal(Scope.ADMIN), None, "run run_1")
    check_may_change(principal(Scope.ADMIN), OTHER, "run run_1")

    with pytest.raises(NotOwner, match="has no owner"):
        check_may_change(principal(Scope.SUBMIT), None, "run run_1")


def test_a_priority_above_the_normal_one_is_for_admins_and_one_below_it_for_all() -> None:
    for priority in (-100, -1, 0):
        check_priority(principal(Scope.SUBMIT), priority)
    check_priority(principal(Scope.ADMIN), 100)

    with pytest.raises(PriorityNotAllowed, match="found priority 1:") as refused:
        check_priority(principal(Scope.SUBMIT), 1)
    assert [mistake.pointer for mistake in refused.value.mistakes] == ["/priority"]


def test_the_fixed_principals_have_ids_and_names_of_their_own() -> None:
    assert len({one.id for one in FIXED}) == len(RESERVED_NAMES) == 4
    assert all(len(one.id) == len(OWN) for one in FIXED)
