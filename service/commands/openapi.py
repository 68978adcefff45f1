"""The OpenAPI document without a server or a database: `python -m service.commands.openapi > openapi.json`."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from service.app import create_app
from service.settings import Settings

# Nothing is connected before the app starts, and it never does here.
NOWHERE = "redis://localhost"


def document() -> dict[str, Any]:
    """Return the OpenAPI document of a service that requires a token."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), database_url=None, redis_url=NOWHERE, token=SecretStr("x" * 32))
        return create_app(settings).openapi()


def main() -> None:
    """Write the document to standard output."""
    json.dump(document(), sys.stdout, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main()
