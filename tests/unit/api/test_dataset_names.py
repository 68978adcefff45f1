"""How `--dataset` and `dataset show` find a data set, asked of the real API."""

from typing import Any, cast

import pytest

from cellgate.cli.dataset_names import named_dataset
from cellgate.client._sync.client import Client
from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.exit_codes import UsageError
from tests.api_client import Api


class Asking:
    """The part of the client that lists data sets, over the app of the test's own process."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def datasets(self, **filters: Any) -> list[DatasetAnswer]:
        """Return the first page."""
        items = self._api.client.get("/v1/datasets", params=filters).json()["items"]
        return [DatasetAnswer.model_validate(item) for item in items]

    def find(self, wanted: str, kind: str) -> DatasetAnswer:
        """Return the one whose id is this, or begins so."""
        assert kind == "datasets"
        [found] = self.datasets(q=wanted)
        return found


def _find(api: Api, wanted: str) -> str:
    return named_dataset(cast(Client, Asking(api)), wanted)


def _add(api: Api, name: str) -> str:
    return str(api.client.post("/v1/datasets", json={"name": name, "source": api.file()}).json()["id"])


def test_a_name_means_its_newest_version_that_has_not_failed(api: Api) -> None:
    first, second = _add(api, "mine"), _add(api, "mine")

    assert _find(api, "mine") == second
    run = api.client.get(f"/v1/datasets/{second}").json()["run"]
    api.client.post(f"/v1/runs/{run}/cancel")
    assert _find(api, "mine") == first


def test_a_name_with_a_number_means_that_version(api: Api) -> None:
    first, second = _add(api, "mine"), _add(api, "mine")

    assert (_find(api, "mine@1"), _find(api, "mine@2")) == (first, second)
    with pytest.raises(UsageError, match=r"mine has no version 3 \(known: 1, 2\)"):
        _find(api, "mine@3")


def test_one_that_was_renamed_last_is_the_newest_version_however_old_it_is(api: Api) -> None:
    renamed, _ = _add(api, "other"), _add(api, "mine")
    api.client.patch(f"/v1/datasets/{renamed}", json={"name": "mine"})

    assert _find(api, "mine") == _find(api, "mine@2") == renamed


def test_an_archived_version_is_found_by_its_number(api: Api) -> None:
    first, _ = _add(api, "mine"), _add(api, "mine")
    api.client.patch(f"/v1/datasets/{first}", json={"archived": True})

    assert _find(api, "mine@1") == first


def test_a_name_that_looks_like_a_version_is_found_as_it_is(api: Api) -> None:
    _add(api, "mine")
    odd = _add(api, "mine@1")

    assert _find(api, "mine@1") == odd


def test_a_whole_id_is_taken_as_it_is_and_its_beginning_stands_for_it(api: Api) -> None:
    whole = _add(api, "mine")

    assert _find(api, whole) == _find(api, whole[:-2]) == whole


def test_an_unknown_name_lists_the_known_ones(api: Api) -> None:
    _add(api, "b")
    _add(api, "a")

    with pytest.raises(UsageError, match=r"named mine \(known: a, b\)"):
        _find(api, "mine")
