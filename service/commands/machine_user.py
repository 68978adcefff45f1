"""Who calls a command on the database: no request passes the API there, so the audit log names the machine's user."""

import getpass


def user_of_machine() -> str | None:
    """Return the name of this machine's user; None where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
