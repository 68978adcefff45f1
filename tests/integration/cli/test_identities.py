"""What may stand in place of an id: its beginning, or a name."""

import httpx
import pytest

from cellgate.client._sync.client import Client
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer


@pytest.fixture(scope="module")
def twins(context: LiveServer, ready_dataset: str) -> list[str]:
    """Two ended experiments of one name, and one of another."""
    made = [context.experiment(ready_dataset, name) for name in ("twin", "Twin", "only one")]
    context.trainers().work()
    return made


def test_the_beginning_of_an_id_is_enough_where_it_fits_one_thing(twins: list[str], cellgate: Cellgate) -> None:
    shown = cellgate("show", twins[2][:-3].lower())
    assert (shown.code, shown.out.splitlines()[0]) == (0, cellgate("show", twins[2]).out.splitlines()[0])


def test_a_name_is_enough_where_one_thing_has_it(twins: list[str], cellgate: Cellgate) -> None:
    by_name = cellgate("gate", "ONLY one", "--json")
    assert by_name.code == 0
    assert by_name.out == cellgate("gate", twins[2], "--json").out


def test_what_fits_several_things_lists_them_with_the_newest_last_and_does_nothing(
    twins: list[str], cellgate: Cellgate
) -> None:
    refused = cellgate("rm", "twin")

    assert (refused.code, refused.out) == (2, "")
    assert [line.split()[0] for line in refused.err.splitlines()[1:]] == twins[:2]
    assert cellgate("show", "exp_").code == 2
    assert cellgate("show", twins[0]).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "no such thing"),
        ("show", ""),
        ("show", "exp_0000"),
        ("logs", "twin"),
        ("bundle", "get", "twin"),
        ("set", "nonsense", "--note", "x"),
        ("rm", "nonsense"),
        ("compare", "run_Z", "run_Y"),
    ],
)
@pytest.mark.usefixtures("twins")
def test_what_stands_for_nothing_is_wrong_usage(cellgate: Cellgate, arguments: tuple[str, ...]) -> None:
    refused = cellgate(*arguments)
    assert refused.code == 2
    assert "there is no " in " ".join(refused.err.split())


def test_a_whole_id_of_another_kind_is_wrong_usage(cellgate: Cellgate) -> None:
    refused = cellgate("gate", f"run_{'0' * 26}")
    assert refused.code == 2
    assert "of another kind (run), expected experiment (exp_…)" in refused.err


def test_an_unknown_whole_id_is_for_the_server_to_refuse(cellgate: Cellgate) -> None:
    assert cellgate("show", f"exp_{'0' * 26}").code == 3


def test_a_name_of_several_versions_of_a_data_set_is_the_newest(context: LiveServer, cellgate: Cellgate) -> None:
    for _ in range(2):
        newest = context.dataset("versioned")
        context.trainers().work()
    assert newest in cellgate("watch", "versioned").out
    assert newest in cellgate("dataset", "show", newest[:-2]).out


def test_runs_are_taken_by_their_beginnings_everywhere(context: LiveServer, finished: str, cellgate: Cellgate) -> None:
    run, other = context.run_of(finished, "54-bases", 0), context.run_of(finished, "51", 0)
    # Ids of one moment differ in their last characters alone.
    begins = run[:-3]
    for command in (["metrics", begins], ["logs", begins], ["events", begins], ["compare", begins, other]):
        done = cellgate(*command)
        assert done.code == 0, done.err


def test_a_worker_is_taken_by_the_beginning_of_its_id(cellgate: Cellgate) -> None:
    assert cellgate("worker", "drain", "work").out.startswith("worker-1 takes nothing more")
    assert cellgate("worker", "resume", "worker-").out == "worker-1 takes runs again.\n"
    assert cellgate("worker", "drain", "nobody").code == 3


def test_a_whole_id_costs_no_request() -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    with Client("http://server", transport=httpx.MockTransport(nobody)) as client:
        assert client.find(f"exp_{'A' * 26}", "experiments", "runs").id == f"exp_{'A' * 26}"
