"""What tests share: where real data and models are, and how to skip without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings; skips where it is not."""
    folder = os.environ.get("MOODAL_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("MOODAL_DATA is not set: the real recordings are not here")
    return Path(folder)


@pytest.fixture(scope="session")
def clips(data: Path) -> Path:
    """Real clips with and without faces."""
    return data / "face_clips"


@pytest.fixture(scope="session")
def models() -> None:
    """Skips where the networks have not been fetched."""
    from moodal import weights
    from moodal.core.errors import ModelError

    try:
        for name in ("face-detector-short", "face-landmarks", "silero-vad"):
            weights.path(name)
    except ModelError as error:
        pytest.skip(f"models are not installed: {error}")
