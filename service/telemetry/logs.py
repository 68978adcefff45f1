"""Structured logs: one event per line, as JSON or for people."""

import io
import logging
import re
import sys
from typing import Any, Literal, TextIO

import structlog

from cellgate.contract.visible import visible, visible_line

# Secrets: our tokens, bearer tokens of any kind, passwords in URLs.
_SECRETS = re.compile(
    r"(?<=cg_)[A-Za-z0-9_-]{43}|(?<=Bearer )[^\s\"',]+|(?<=://)[^\s/@:]*+:[^\s/@]++(?=@)|(?<=[?&_]password=)[^\s&\"',]+"
)
HIDDEN = "***"
# These log every step at INFO; their errors are warnings or worse.
CHATTY = ("httpx", "alembic", "uvicorn.access", "celery", "kombu")


def set_up_logging(log_format: Literal["pretty", "json"]) -> None:
    """Write this process's logs, ours and the libraries', to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if log_format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = _Pretty()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer, _without_secrets],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)


class _Pretty:
    """Lines for people, in which control and invisible characters of what is logged are escapes."""

    def __init__(self) -> None:
        self._render = structlog.dev.ConsoleRenderer(
            # Plain: the rich kind prints every local variable, secrets too, and takes seconds.
            colors=sys.stderr.isatty(),
            exception_formatter=_visible_traceback,
        )

    def __call__(self, logger: Any, method: str, event: structlog.typing.EventDict) -> str:
        return self._render(logger, method, {name: _visible_value(value) for name, value in event.items()})


def _visible_value(value: Any) -> Any:
    # Whatever is no text is shown by repr(), which escapes by itself.
    return visible_line(value) if isinstance(value, str) else value


def _visible_traceback(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    stream.write(visible(written.getvalue()))


def _without_secrets(_logger: Any, _method: str, line: Any) -> str:
    # The last step, so that it also covers messages of exceptions.
    return _SECRETS.sub(HIDDEN, str(line))
