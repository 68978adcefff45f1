"""`python -m cellgate`: the `cellgate` command."""

from cellgate.cli.start import main

if __name__ == "__main__":
    main()
