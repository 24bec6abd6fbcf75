"""What the lab tests need on this computer besides the lab: programs, and their Debian packages."""

from __future__ import annotations

from picluster.lab.requirements import main

PACKAGES = {"chromium": "chromium", "tmux": "tmux"}
"""A browser to open the report in, and a terminal to look at screens in."""

if __name__ == "__main__":
    main(PACKAGES)
