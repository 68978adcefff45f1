"""`python -m service`: the server's commands."""

from cellgate.contract.endings import quiet_endings

if __name__ == "__main__":
    with quiet_endings():
        from service.commands.app import main

        main()
