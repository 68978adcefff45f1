"""Settings from the command line, else from the environment."""

from typing import Any

from pydantic import ValidationError

from cellgate.cli.spec_files import BadInput
from service.settings import Settings


def said(**values: Any) -> Settings:
    """Return the settings; a value that is None was not said, and comes from the environment or its default.

    Raises:
        BadInput: Some are wrong; every mistake is listed.
    """
    try:
        return Settings(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in mistake['loc']) or 'settings'}: {mistake['msg']}"
            for mistake in error.errors()
        ]
        raise BadInput("\n".join(lines)) from error
