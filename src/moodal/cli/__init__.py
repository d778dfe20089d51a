"""Floor 8: the command line. One file a command, thin; errors are one line on standard error."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Entry point of the command ``moodal``."""
    import typer

    from moodal.cli.app import build
    from moodal.core.errors import MoodalError

    # A terminal that knows few characters gets a question mark for the others, not an error.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # The family of wrong usage has no public name of its own: it is what BadParameter belongs to.
    wrong_usage: Any = typer.BadParameter.__mro__[1]
    try:
        code = build()(standalone_mode=False)
        raise SystemExit(code if isinstance(code, int) else 0)
    except wrong_usage as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            path = error.ctx.command_path if error.ctx else "moodal"
            _say(f"{error.format_message().rstrip('.')}. See: {path} --help")
        raise SystemExit(2) from None
    except MoodalError as error:
        _say(str(error))
        raise SystemExit(error.exit_code) from None
    except (KeyboardInterrupt, typer.Abort):
        _say("stopped; what was finished is kept")
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:
        if os.environ.get("MOODAL_DEBUG"):
            raise
        kind = type(error).__name__
        _say(f"unexpected {kind}: {error}. Set MOODAL_DEBUG=1 for the traceback and report it, please.")
        raise SystemExit(2) from None


def _say(line: str) -> None:
    # Without rich, which may be what is missing; a name in the line may hold what steers a terminal.
    print(f"moodal: {''.join(c if c.isprintable() else '?' for c in ' '.join(line.split()))}", file=sys.stderr)
