"""Lets `python -m tests.doubles.k3s` run the command line in the working tree."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
