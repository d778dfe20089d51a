"""``python -m moodal``."""

from __future__ import annotations

from moodal.cli import main

main()
