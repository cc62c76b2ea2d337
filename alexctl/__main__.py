"""`python -m alexctl` is `alexctl`."""

from alexctl.cli.commands import main

if __name__ == "__main__":
    main()
