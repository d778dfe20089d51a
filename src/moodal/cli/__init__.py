"""Floor 8: the command line. One file a command, thin; errors are one line on standard error."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the command ``moodal``."""
    from moodal.cli.app import build
    from moodal.core.errors import MoodalError

    try:
        build()()
    except MoodalError as error:
        _say(str(error))
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
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
    print(f"moodal: {' '.join(line.split())}", file=sys.stderr)
