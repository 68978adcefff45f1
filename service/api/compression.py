"""Compressed answers: JSON and pages of a kilobyte and more, to readers that take gzip.

Answers that hold a secret are not, since their length would tell of it (BREACH): only those to GET are compressed. Nor
are streams, which must not be held back, and what is also served by `Range`, whose strong ETag names its bytes.

Source:
    RFC 9110, sections 8.4 (Content-Encoding) and 8.8.1 (weak and strong validators).
"""

import re

from starlette.datastructures import Headers
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

SMALLEST_BYTES = 1024
# Six is zlib's own default; nine costs twice the time for one percent.
LEVEL = 6
AS_THEY_ARE = re.compile(r"^/static/|^/v1/(?:runs/[^/]+/artifacts/|bundles/[^/]+/archive$)")
# The text of logs is served by Range too.
KEPT = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "text/plain", "application/octet-stream")


class Compression:
    """Compresses what the app answers to reads.

    Args:
        app: Answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressing = GZipMiddleware(
            app, minimum_size=SMALLEST_BYTES, compresslevel=LEVEL, exclude_content_types=KEPT
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        chosen: ASGIApp = self._compressing if _may_be_compressed(scope) else self._app
        await chosen(scope, receive, send)


def _may_be_compressed(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or AS_THEY_ARE.match(scope["path"]):
        return False
    return "Range" not in Headers(scope=scope)
