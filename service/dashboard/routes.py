"""The dashboard: one page and its built files; everything it shows comes from the API."""

import os
from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from service.api.scopes import OPEN, ScopedRouter

STATIC = Path(__file__).with_name("static")
# Names under assets/ carry a hash of the content: what is in a cache under such a name is never stale.
FOREVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
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
    """Files that browsers may keep for as long as their names allow."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with how long it may be kept."""
        response = await super().get_response(path, scope)
        if response.status_code < 400:
            response.headers["Cache-Control"] = FOREVER if Path(path).parts[:1] == ("assets",) else ASK_EACH_TIME
        return response


def dashboard_routes(static: Path = STATIC) -> ScopedRouter:
    """Return routes for the page at `/` and its files below `/static`; without a build, for a page that explains it.

    None of them needs a token: the page itself prompts for it.

    Args:
        static: Folder that `npm run build` wrote.
    """
    router = ScopedRouter()
    index = static / "index.html"
    files = BuiltFiles(directory=static, check_dir=False)

    @router.get("/", OPEN, include_in_schema=False)
    def page() -> Response:
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, headers={"Cache-Control": ASK_EACH_TIME})
        return FileResponse(index, media_type="text/html", headers={"Cache-Control": ASK_EACH_TIME})

    @router.head("/static/{path:path}", OPEN, include_in_schema=False)
    @router.get("/static/{path:path}", OPEN, include_in_schema=False)
    async def built_file(path: str, request: Request) -> Response:
        return await files.get_response(os.path.normpath(path), request.scope)

    return router
