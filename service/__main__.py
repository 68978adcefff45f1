"""`python -m service`: the server's commands."""

from service.commands.app import main

if __name__ == "__main__":
    main()
