"""Still pictures: by definition 1 s at 1 Hz, upright by their own orientation mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.clock import Span
from moodal.core.errors import InputError
from moodal.core.recording import Recording
from moodal.core.stream import Chunk, PictureChunk, Stream

from .reader import ReaderSpec, Truth, sha256_of

__all__ = ["LONGEST", "SPEC"]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
#: A still is worth more pixels than a frame of a video, but no camera's full size is needed for a face.
LONGEST = 2560
#: More pixels than this are taken for an attack on memory.
MOST_PIXELS = 300_000_000
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*")
#: Telephones' pictures in a video's container: claimed here so that the error says what they are.
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")


def sniff(path: Path, head: bytes) -> bool:
    """By the first bytes; a WebP hides in a RIFF."""
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def read(path: Path) -> Recording:
    """The picture (the first one of a moving picture) as a recording of 1 s.

    Raises
    ------
    InputError : not a picture, damaged, or absurdly large.
    """
    frame, width, height, info = _load(path)
    stream = Stream("picture", "picture", 1.0, 0.0, 1.0, {"width": width, "height": height, **info})

    def chunks(span: Span) -> Iterator[Chunk]:
        if 0.0 in span:
            yield PictureChunk("picture", np.array([0.0]), np.array([1.0]), [frame], width / frame.shape[1])

    return Recording(path, path.name, 1.0, (stream,), {"picture": chunks}, sha256_of(path), still=True)


#: EXIF orientation → degrees clockwise by which the stored picture is turned to stand upright.
_TURNED = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
_EXIF_ORIENTATION = 0x0112


def _load(path: Path) -> tuple[npt.NDArray[np.uint8], int, int, dict[str, Any]]:
    """The upright frame, shrunk where large, its full width and height, and codec and rotation."""
    import warnings

    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(), Image.open(path) as opened:
            warnings.simplefilter("ignore")
            if opened.width * opened.height > MOST_PIXELS:
                raise InputError(
                    f"has {opened.width} × {opened.height} pixels, more than moodal reads",
                    where=str(path), fix="Save it smaller.",
                )  # fmt: skip
            codec, turned = opened.format, _TURNED.get(opened.getexif().get(_EXIF_ORIENTATION, 1), 0)
            upright = ImageOps.exif_transpose(_plain(opened))
            width, height = upright.size
            if max(width, height) > LONGEST:
                upright.thumbnail((LONGEST, LONGEST))
            frame = np.asarray(upright)
    except InputError:
        raise
    except Exception as error:  # a decoder fed with hostile bytes raises whatever it likes
        if not path.exists():
            raise InputError("is no longer there", where=str(path), fix="Put it back and run again.") from error
        raise InputError(
            "is not a picture that can be read (damaged, or of a kind that is not known)",
            where=str(path), fix="Open it and save it again as JPEG or PNG.",
        ) from error  # fmt: skip
    return frame, width, height, {"codec": str(codec).lower(), "rotation": turned}


def _plain(opened: Any) -> Any:
    """8-bit RGB of any kind of picture: 16-bit and float ones scaled, transparent ones on white."""
    from PIL import Image

    exif = opened.getexif()
    if opened.mode.startswith("I") or opened.mode == "F":
        values = np.nan_to_num(np.asarray(opened, np.float64))
        top = 65535.0 if opened.mode.startswith("I") else max(float(values.max(initial=0.0)), 1e-9)
        plain = Image.fromarray(np.clip(values / top * 255, 0, 255).astype(np.uint8)).convert("RGB")
    elif opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
        layers = opened.convert("RGBA")
        plain = Image.new("RGB", layers.size, (255, 255, 255))
        plain.paste(layers, mask=layers.getchannel("A"))
    else:
        plain = opened.convert("RGB")
    plain.getexif().update({_EXIF_ORIENTATION: exif.get(_EXIF_ORIENTATION, 1)})
    return plain


#: Suffix and, for layouts that lose something, how much (mean absolute difference).
_LAYOUTS = ((".png", 0.0), (".jpg", 6.0), (".webp", 6.0), (".bmp", 0.0), (".tiff", 0.0))


def generate(folder: Path, seed: int) -> Truth:
    """A picture of coloured blocks, stored as ``seed`` modulo 5 says."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    suffix, loss = _LAYOUTS[seed % len(_LAYOUTS)]
    blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    pixels = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
    path = folder / f"sample-{seed}{suffix}"
    Image.fromarray(pixels).save(path, quality=95)
    return Truth(path, 1.0, np.zeros(1), pixels[None], pixel_tolerance=loss)


SPEC = ReaderSpec("still", EXTENSIONS, "still pictures (JPEG, PNG, WebP, BMP, TIFF)", sniff, read, generate)
