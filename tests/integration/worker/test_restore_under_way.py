"""A worker starts nothing in a data folder into which a backup is being restored: its rows come before its files."""

from cellgate.contract.storage import RESTORING
from tests.worker_harness import Floor
from worker.claim_loop import claim_run


def test_nothing_is_claimed_until_the_restore_has_ended(floor: Floor) -> None:
    run_id = floor.prepare_run()
    context = floor.context("")
    work = floor.folder / RESTORING
    work.mkdir()

    assert claim_run(context) is None

    work.rmdir()
    claim = claim_run(context)
    assert claim is not None
    assert claim.run_id == run_id
