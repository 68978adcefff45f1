"""The dashboard: one page and its built files; everything it shows comes from the API.

The build leaves each file compressed as well. Readers get the encoding that they take, with an ETag of its own.

Source:
    RFC 9110, section 12.5.3 (Accept-Encoding).
"""

import mimetypes
import os
import re
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import Headers
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from service.api.scopes import OPEN, ScopedRouter

STATIC = Path(__file__).with_name("static")
# Names under assets/ carry a hash of the content: what is in a cache under such a name is never stale.
FOREVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
REFERENCE = "docs.html"
# The smallest one first.
SUFFIXES = {"br": ".br", "gzip": ".gz"}
ZERO = re.compile(r"^q=0(?:\.0*)?$")
NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Cellgate</title></head>
<body>
<h1>The dashboard has not been built</h1>
<p>The API works without it. To build it: <code>make dashboard</code>, then start the service again.</p>
</body>
</html>
"""


class BuiltFiles(StaticFiles):
    """Files that browsers may keep for as long as their names allow, compressed where the build has left them so."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with how long it may be kept."""
        response = await super().get_response(path, scope)
        if response.status_code < 400:
            response.headers["Cache-Control"] = FOREVER if Path(path).parts[:1] == ("assets",) else ASK_EACH_TIME
        return response

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return a file in the best encoding that the reader takes."""
        coding = _coding_of(os.fspath(full_path), Headers(scope=scope).get("Accept-Encoding", ""))
        if coding is not None:
            full_path = f"{os.fspath(full_path)}{SUFFIXES[coding]}"
            stat_result = os.stat(full_path)
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.add_vary_header("Accept-Encoding")
        if coding is not None:
            kind = mimetypes.guess_type(os.fspath(full_path).removesuffix(SUFFIXES[coding]))[0]
            response.headers["Content-Type"] = f"{kind or 'application/octet-stream'}; charset=utf-8"
            response.headers["Content-Encoding"] = coding
        return response


def _coding_of(path: str, accepted: str) -> str | None:
    """Return the encoding in which a file is sent; None: as it is.

    Args:
        path: Of the file as it is.
        accepted: The header `Accept-Encoding`.
    """
    taken = {
        name.strip().lower()
        for name, _, weight in (one.partition(";") for one in accepted.split(","))
        if not ZERO.match(weight.strip())
    }
    return next(
        (coding for coding, suffix in SUFFIXES.items() if coding in taken and os.path.isfile(path + suffix)), None
    )


def dashboard_routes(static: Path = STATIC) -> ScopedRouter:
    """Return routes for the pages at `/` and `/docs` and their files; without a build, for a page that explains it.

    None of them needs a token: the page itself prompts for it.

    Args:
        static: Folder that `npm run build` wrote.
    """
    router = ScopedRouter()
    index = static / "index.html"
    files = BuiltFiles(directory=static, check_dir=False)

    @router.get("/", OPEN, include_in_schema=False)
    async def page(request: Request) -> Response:
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, headers={"Cache-Control": ASK_EACH_TIME})
        return await files.get_response(index.name, request.scope)

    @router.get("/docs", OPEN, include_in_schema=False)
    async def reference(request: Request) -> Response:
        if not (static / REFERENCE).is_file():
            return HTMLResponse(NOT_BUILT, headers={"Cache-Control": ASK_EACH_TIME})
        return await files.get_response(REFERENCE, request.scope)

    @router.head("/static/{path:path}", OPEN, include_in_schema=False)
    @router.get("/static/{path:path}", OPEN, include_in_schema=False)
    async def built_file(path: str, request: Request) -> Response:
        return await files.get_response(os.path.normpath(path), request.scope)

    return router
