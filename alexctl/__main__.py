"""`python -m alexctl` is `alexctl`."""

from alexctl.cli.main import main

if __name__ == "__main__":
    main()
