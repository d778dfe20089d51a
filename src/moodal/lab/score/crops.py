"""Pictures that are a face cut out: given room around it, so that a face is found in them as in any other picture."""

from __future__ import annotations

from pathlib import Path

from moodal.core.errors import InputError

__all__ = ["is_small", "with_room"]

#: A picture whose longer side is below this is a face crop.
SMALL = 100
#: Height of the enlarged face, pixels, and the share of it that is added on each side.
_FACE, _ROOM = 256, 0.2
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def is_small(path: Path, least: int | None = SMALL) -> bool:
    """Whether it is a picture with a longer side under ``least`` pixels (None: any picture)."""
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        return False
    if least is None:
        return True
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return max(picture.size) < least
    except (UnidentifiedImageError, OSError, ValueError):
        return False


def with_room(path: Path, folder: Path) -> Path:
    """The picture enlarged on a grey ground, as ``face.png`` in that folder.

    Raises
    ------
    InputError : it is no picture after all.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise InputError("is not a readable picture", where=str(path)) from error
    scale = _FACE / max(picture.size)
    face = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BICUBIC
    )
    margin = round(_ROOM * _FACE)
    ground = Image.new("RGB", (face.width + 2 * margin, face.height + 2 * margin), (128, 128, 128))
    ground.paste(face, (margin, margin))
    target = folder / "face.png"
    ground.save(target)
    return target
