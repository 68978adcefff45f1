"""The dashboard: one page and its built files; everything it shows comes from the API."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

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


def mount_dashboard(app: FastAPI, static: Path = STATIC) -> None:
    """Serve the page at `/` and its files below `/static`; where they were not built, a page that says how to.

    Args:
        static: What `npm run build` wrote.
    """
    index = static / "index.html"

    def page() -> Response:
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, headers={"Cache-Control": ASK_EACH_TIME})
        return FileResponse(index, media_type="text/html", headers={"Cache-Control": ASK_EACH_TIME})

    app.get("/", include_in_schema=False)(page)
    if static.is_dir():
        app.mount("/static", BuiltFiles(directory=static), name="static")
