"""Run every target under atheris, libFuzzer for Python: inputs that reach new code are kept.

Each target has a process of its own, an equal part of the time, and starts from its corpus. A
finding ends its target; the input is left beside the corpus, to be reduced and kept there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_LONGEST_INPUT = 4096


def main(arguments: list[str]) -> int:
    """Fuzz; return 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together [600]")
    parser.add_argument("--only", help="a single target")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.inside:
        return _inside(chosen.inside, chosen.seconds)
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - not instrumented, in this process

    names = [chosen.only] if chosen.only else sorted(TARGETS)
    each = max(1, chosen.seconds // len(names))
    failed = [name for name in names if not _fuzzed(name, each)]
    print(f"{len(names)} targets, {each} s each; findings in: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def _fuzzed(name: str, seconds: int) -> bool:
    print(f"--- {name}", flush=True)
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, "--seconds", str(seconds)]
    return subprocess.run(command, check=False).returncode == 0


def _inside(name: str, seconds: int) -> int:
    try:
        import atheris  # noqa: PLC0415 - only fuzzing needs it
    except ImportError:
        print("atheris is missing: `make fuzz` installs it", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["picluster"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415
    corpus = CORPUS / name
    with tempfile.TemporaryDirectory() as grown:
        options = [f"-max_total_time={seconds}", f"-max_len={_LONGEST_INPUT}", "-timeout=10"]
        quiet = ["-print_final_stats=1", f"-artifact_prefix={name}-", "-verbosity=0"]
        atheris.Setup([name, *options, *quiet, grown, str(corpus)], TARGETS[name])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
