"""`picluster` and `python -m picluster`: run the command, and turn every failure into a message."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

from picluster.errors import PiclusterError, StepFailed

_INTERRUPTED = 130
_BUG = 1
_OBJECTS = 300_000
"""More than what a command imports: the collector would go through all that again and again."""


def main() -> None:
    """Run picluster; the process exits with the code of docs/exit-codes.md."""
    gc.set_threshold(_OBJECTS)
    # pydantic would search every package beside us for plugins, and let those in.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from picluster.cli.app import app

    if "_PICLUSTER_COMPLETE" in os.environ:
        from typer import completion

        completion.completion_init()  # type: ignore[attr-defined]
    try:
        app()
    except PiclusterError as error:
        _explain(error)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001, RUF100 - no user is to see a traceback
        _confess(error)


def _explain(error: PiclusterError) -> NoReturn:
    from picluster.secret import redact
    from picluster.ui.screen import show
    from picluster.ui.words import failure, safe

    if _wants_traceback():
        import traceback

        print(redact(traceback.format_exc()), file=sys.stderr)
    message = failure(
        error.what,
        where=error.where,
        why=error.why,
        fix=error.fix,
        evidence=str(getattr(error, "evidence", "")),
    )
    show(safe(redact(message)) + "\n", sys.stderr)
    sys.exit(error.exit_code)


def _confess(error: Exception) -> NoReturn:
    """Keep the traceback of a bug of ours in a file, and say where."""
    import traceback

    from picluster.cli import crash
    from picluster.secret import redact

    directory = None
    if isinstance(error, crash.Bug) and isinstance(error.__cause__, Exception):
        directory, error = error.directory, error.__cause__
    if isinstance(error, OSError) and error.filename is not None:
        _explain(
            StepFailed(
                "this computer refuses it",
                where=str(error.filename),
                why=error.strerror or type(error).__name__,
                fix="make the file readable, or room for it, and run the same command again",
            )
        )
    details = redact("".join(traceback.format_exception(error)))
    if _wants_traceback():
        print(details, file=sys.stderr)
    path = crash.keep(details, directory)
    print(
        f"this is a bug in picluster: {type(error).__name__}: {redact(str(error))}\n"
        f"  why: picluster did not expect this to happen\n"
        f"  fix: please report it with {path or 'the output of -vv'}; "
        "running the command again is safe",
        file=sys.stderr,
    )
    sys.exit(_BUG)


def _wants_traceback() -> bool:
    return any(argument in ("-vv", "-vvv") for argument in sys.argv) or (
        sum(argument in ("-v", "--verbose") for argument in sys.argv) > 1
    )


if __name__ == "__main__":
    main()
