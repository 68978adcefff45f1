"""`python -m cellgate`: the `cellgate` command."""

from cellgate.cli.main import main

if __name__ == "__main__":
    main()
