"""What the command line leaves to the trainers, in a process of its own: it never imports their libraries."""

from importlib.util import find_spec

from cellgate.cli.spec_files import BadInput


def require_trainers(what: str) -> None:
    """Return where the trainers' libraries are installed.

    Raises:
        BadInput: They are not; `what` needs them.
    """
    if find_spec("torch") is None:
        raise BadInput(f"{what} needs the trainers' libraries: pip install 'cellgate[worker]'")
