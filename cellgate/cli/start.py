"""Where the `cellgate` command begins: imports nothing of its own before it can be interrupted without a traceback."""

from cellgate.contract.endings import quiet_endings


def main() -> None:
    """Run the command line; Ctrl-C ends it with 130 and a closed pipe with 141, without a traceback."""
    with quiet_endings():
        from cellgate.cli.main import main as run

        run()
