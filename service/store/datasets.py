"""Data sets: prepared once by a run, immutable afterwards."""

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.states import DatasetState
from service.domain.principals import NOBODY, Owner
from service.store.database import now_s
from service.store.dataset_sources import BETWEEN_SOURCES
from service.store.dataset_versions import next_version
from service.store.filters import EVERYTHING, Filters, matching_datasets
from service.store.hints import by_no_index
from service.store.jobs import create_job
from service.store.lookup import get_row, new_id
from service.store.paging import FIRST_PAGE, Found, PageOf, find_page, rows_of
from service.store.tables import DatasetRow, JobRow, RunRow


def create_dataset(
    session: Session,
    *,
    name: str,
    source: str | Sequence[str],
    config: PrepareConfig,
    graphs: str | None = None,
    owner: Owner = NOBODY,
) -> DatasetRow:
    """Create a data set and the queued run that prepares it.

    Args:
        session: An open transaction.
        name: Name for people; of several data sets of one name each is a version.
        source: Absolute paths of the files and folders of labelled functions, as workers see them.
        config: How to prepare it.
        graphs: Absolute path of imported graphs, likewise; None: all graphs are built from source.
        owner: Whom it belongs to.
    """
    spec = {**config.model_dump(mode="json"), **({} if graphs is None else {"graphs": graphs})}
    values = {
        "id": new_id("ds"),
        "name": name,
        "name_version": next_version(session, name),
        "state": DatasetState.PREPARING.value,
        "source": source if isinstance(source, str) else BETWEEN_SOURCES.join(source),
        "spec": spec,
        "owner": owner.name,
        "owner_id": owner.id,
        "created_at": now_s(),
        "version": 1,
    }
    dataset = session.scalars(insert(DatasetRow).values(values).returning(DatasetRow)).one()
    create_job(session, cell=Cell.PREPARE, dataset_id=dataset.id, config=spec, seeds=[0], owner=owner)
    return dataset


def get_dataset(session: Session, dataset_id: str) -> DatasetRow:
    """Return a data set.

    Raises:
        NotFound: There is no such data set.
    """
    return get_row(session, DatasetRow, dataset_id)


def list_datasets(session: Session, page: PageOf = FIRST_PAGE, wanted: Filters = EVERYTHING) -> Found[DatasetRow]:
    """Return a page of the data sets that match the filters.

    Args:
        session: An open transaction.
        page: The page.
        wanted: Filters.
    """
    return rows_of(session, DatasetRow, find_page(session, matching_datasets(wanted), page))


def preparing_runs(session: Session, dataset_ids: Sequence[str]) -> dict[str, str]:
    """Return the id of the run that prepares each data set, by data set."""
    chosen = (
        select(JobRow.dataset_id, RunRow.id)
        .join(RunRow, RunRow.job_id == JobRow.id)
        .where(
            JobRow.dataset_id.in_(dataset_ids),
            by_no_index(JobRow.cell) == Cell.PREPARE.value,
            RunRow.superseded_by.is_(None),
        )
    )
    return {row.dataset_id: row.id for row in session.execute(chosen)}
