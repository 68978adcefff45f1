"""What a log line is made of, in both formats; in a process of its own, as logging is set up once per process."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.hostile_text import EVERYTHING, hidden_characters

TOKEN = "cg_" + "aB-_5" * 8 + "xyz"
SECRETS = (TOKEN.removeprefix("cg_"), "correct-horse-battery-staple", "geheimnis")
HOSTILE_TALK = """
import sys
import structlog
from service.telemetry.logs import set_up_logging
import logging

set_up_logging(sys.argv[1])
text = sys.stdin.buffer.read().decode()
structlog.get_logger("ours").info(text, name=text, names=[text])
logging.getLogger("redis").error("not reached: %s", text)
try:
    raise ValueError(text)
except ValueError:
    structlog.get_logger("ours").exception("failed")
"""
TALK = f"""
import logging, sys, warnings
import structlog
from structlog.contextvars import bound_contextvars
from service.telemetry.logs import set_up_logging

set_up_logging(sys.argv[1])
ours, theirs = structlog.get_logger("ours"), logging.getLogger("redis")
with bound_contextvars(trace_id="trace-7"):
    ours.info("told", token="{TOKEN}", broker="redis://user:geheimnis@host:6379/0")
    theirs.error("not reached: %s", "redis://:geheimnis@host/0")
    try:
        raise ValueError("refused: Authorization: Bearer correct-horse-battery-staple")
    except ValueError:
        ours.exception("failed")
    warnings.warn("two\\nlines {TOKEN}")
ours.debug("too much")
logging.getLogger("celery.app.trace").info("too much")
logging.getLogger("celery.worker").warning("worth it")
"""


def lines(log_format: str) -> list[str]:
    """What a process that logs all this writes to its standard error."""
    talk = subprocess.run([sys.executable, "-c", TALK, log_format], capture_output=True, text=True, check=True)
    assert talk.stdout == ""
    return talk.stderr.splitlines()


def test_as_json_every_line_is_one_event_whoever_logged_it() -> None:
    events: list[dict[str, Any]] = [json.loads(line) for line in lines("json")]

    assert [(event["level"], event.get("trace_id")) for event in events] == [
        ("info", "trace-7"),
        ("error", "trace-7"),
        ("error", "trace-7"),
        ("warning", "trace-7"),
        ("warning", None),
    ]
    assert all(event["timestamp"].endswith("Z") for event in events)
    assert events[1]["event"] == "not reached: redis://***@host/0"
    assert "ValueError" in events[2]["exception"]


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_no_line_holds_a_token_or_a_password(log_format: str) -> None:
    written = "\n".join(lines(log_format))

    assert not [secret for secret in SECRETS if secret in written]
    assert "redis://***@host:6379/0" in written
    assert "cg_***" in written
    assert "Bearer ***" in written


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_what_others_wrote_does_not_act_on_the_terminal_that_shows_the_log(log_format: str) -> None:
    talk = subprocess.run(
        [sys.executable, "-c", HOSTILE_TALK, log_format], input=EVERYTHING.encode(), capture_output=True, check=True
    )
    written = talk.stderr.decode()

    assert "\\u202e" in written
    assert hidden_characters(written) == []
