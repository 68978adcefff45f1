"""The API's composition root: settings in, an app out; nothing is connected at import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Response

from service.api import description
from service.api.attempts import Attempts
from service.api.auth import TokenCache
from service.api.batch_reader import poll_states_in
from service.api.context import Context
from service.api.description import describe_api
from service.api.list_watch import watch_lists
from service.api.long_poll import watch_output, watch_versions
from service.api.middleware import add_middleware
from service.api.notifications import Notifications
from service.api.polled_answers import run_statuses_in
from service.api.polling import NotModified, not_modified_response
from service.api.problems import add_problem_handlers
from service.api.refusals import Refusals
from service.api.route_table import RouteTable
from service.api.routes import (
    artifacts,
    audit,
    bundles,
    cells,
    compare,
    configs,
    datasets,
    errors,
    estimates,
    evaluations,
    experiments,
    functions,
    gate_decision,
    health,
    inspections,
    jobs,
    logs,
    operations,
    overview,
    preflights,
    reports,
    runs,
    session,
    tokens,
    uploads,
    webhooks,
    workers,
)
from service.api.run_files import Hashes
from service.broker.notify import CeleryNotifier, Notifier
from service.dashboard.routes import dashboard_routes
from service.folder_check import check_folders
from service.settings import Settings
from service.startup_check import check_startup
from service.store.database import Database, schema_fault
from service.supervision import Supervision
from service.telemetry.metrics import Telemetry
from service.telemetry.tracing import tracing_of

# In the order of the OpenAPI document.
SILENCE_MARGIN_S = 5.0
RESOURCES = (
    datasets,
    functions,
    uploads,
    overview,
    experiments,
    configs,
    estimates,
    gate_decision,
    reports,
    errors,
    jobs,
    inspections,
    preflights,
    runs,
    logs,
    artifacts,
    bundles,
    evaluations,
    compare,
    cells,
    workers,
    operations,
    tokens,
    session,
    audit,
    webhooks,
    health,
)


class NotReady(RuntimeError):
    """The service cannot start as it is set up."""


def create_app(settings: Settings, *, notifier: Notifier | None = None) -> FastAPI:
    """Return the API.

    Args:
        notifier: Wakes the workers; default: through the broker at `settings.redis_url`.

    Raises:
        NotReady: No broker is set.
    """
    if notifier is None:
        if settings.redis_url is None:
            raise NotReady("CELLGATE_REDIS_URL is not set: name the broker, or use `cellgate up`, which brings its own")
        notifier = CeleryNotifier(settings.redis_url)
    database = Database(
        settings.database,
        statement_timeout_s=settings.query_timeout_s,
        # The server's own limit comes first: it says why.
        silence_s=max(settings.database_silence_s, settings.query_timeout_s + SILENCE_MARGIN_S),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        check_start(settings, database)
        yield
        tracing.end()
        database.dispose()

    tracing = tracing_of(settings, version("cellgate"))
    tracing.watch(database)
    app = FastAPI(
        title="Cellgate",
        version=version("cellgate"),
        telemetry=tracing.of_requests,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    known = TokenCache(settings, database)
    supervision = Supervision("api", database)
    telemetry = Telemetry(database, notifier, settings)
    app.state.context = Context(
        settings=settings,
        database=database,
        notifier=notifier,
        notifications=Notifications(notifier),
        tokens=known,
        versions=watch_versions(database, supervision.report),
        output=watch_output(database, supervision.report),
        lists=watch_lists(database, supervision.report),
        load_poll_states=poll_states_in(database),
        run_statuses=run_statuses_in(database),
        telemetry=telemetry,
        hashes=Hashes(),
        refusals=Refusals(database),
        attempts=Attempts(),
    )
    table = RouteTable([*(resource.router for resource in RESOURCES), description.router, dashboard_routes()])
    table.include_in(app)
    describe_api(app, table, token_required=settings.requires_token)
    add_problem_handlers(app)
    app.add_exception_handler(NotModified, _on_not_modified)
    add_middleware(app, settings, known, telemetry, table)
    return app


def check_start(settings: Settings, database: Database) -> None:
    """Return where the API can start.

    Raises:
        NotReady: The database's schema is not that of this release.
        MissingAdminToken: Other machines could reach the API, and no token exists.
        UnusableError: A folder cannot be written to.
        sqlalchemy.exc.OperationalError: The database cannot be reached.
    """
    check_folders(settings)
    fault = schema_fault(database)
    if fault is not None:
        raise NotReady(fault)
    check_startup(settings, database)


async def _on_not_modified(_: Request, error: Exception) -> Response:
    if not isinstance(error, NotModified):
        raise error
    return not_modified_response(error)
