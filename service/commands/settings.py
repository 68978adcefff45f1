"""Settings from the command line, else from the environment."""

from typing import Any

from pydantic import ValidationError

from cellgate.contract.exit_codes import UsageError
from service.settings import Settings


def load_settings(**overrides: Any) -> Settings:
    """Return the settings; an override that is None leaves the environment's value or the default.

    Raises:
        UsageError: Some are wrong; every mistake is listed.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in mistake['loc']) or 'settings'}: {mistake['msg']}"
            for mistake in error.errors()
        ]
        raise UsageError("\n".join(lines)) from error
