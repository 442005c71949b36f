"""`python -m mixopt` is the command line."""

from mixopt.cli.main import cli_main

if __name__ == "__main__":
    cli_main()
