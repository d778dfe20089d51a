"""The tracks of the face: names, units, ranges and where their definitions come from."""

from __future__ import annotations

from moodal.core.scheme import scheme
from moodal.core.track import Field, TrackSpec
from moodal.dsp.face_expression import ACTION_UNITS, DEAD

from .nets import BLENDSHAPES
from .tracker import CONFIRM_S

__all__ = ["TRACKS"]

_NETS = "MediaPipe Face Landmarker networks (BlazeFace, Face Mesh V2, Blendshape V2)"


def _spec(name: str, fields: tuple[Field, ...], source: str, about: str, *, keep: bool = True) -> TrackSpec:
    return TrackSpec(f"face.{name}", fields, None, source, CONFIRM_S, about, keep)


TRACKS = (
    _spec(
        "landmarks",
        tuple(Field(f"{axis}{i}", "", None, None) for i in range(478) for axis in "xyz"),
        _NETS,
        "478 points; x and y are fractions of the picture's width and height, z of its width",
        keep=False,
    ),
    _spec(
        "blendshapes",
        tuple(Field(n, "", 0.0, 1.0, "never moves on anybody with this net" if n in DEAD else "") for n in BLENDSHAPES),
        _NETS,
        "52 scores with the names of ARKit",
    ),
    _spec(
        "action_units",
        tuple(Field(au, "", 0.0, 1.0, f"{about}; approximate") for au, (_, about) in ACTION_UNITS.items()),
        "FACS (Ekman, Friesen and Hager 2002), by a written table from blendshapes",
        "approximate; AU06 and AU09 are left out because this net does not measure them",
    ),
    _spec(
        "pose",
        (
            Field("yaw", "deg", -90, 90, "positive: the head turns to its own left"),
            Field("pitch", "deg", -90, 90, "positive: the head looks up"),
            Field("roll", "deg", -180, 180, "positive: the head leans to its own left"),
        ),
        "stiff points of the mesh, made square by Gram and Schmidt",
        "head pose relative to the camera",
    ),
    _spec(
        "gaze",
        (
            Field("yaw", "deg", -90, 90, "relative to the head; positive: to its own left"),
            Field("pitch", "deg", -90, 90, "relative to the head; positive: up"),
        ),
        "iris centre between the eye's corners on an eyeball of adult size",
        "coarse: use it as zones",
    ),
    _spec(
        "eyes",
        (
            Field("open_left", "", 0, None, "distance of the lids over that of the corners"),
            Field("open_right", "", 0, None, "the same, right eye"),
            Field("blink", "", 0, 1, "1 while both eyes are closed"),
            Field("blink_rate", "1/min", 0, None, "over the last 60 s; missing before 10 s were seen"),
            Field("perclos", "", 0, 1, "share of the last 60 s with closed eyes; missing before 10 s were seen"),
        ),
        "PERCLOS after Wierwille and Ellsworth 1994; closed = mean eyeBlink above 0.5",
        "eyelids, blinks and closure",
    ),
    _spec(
        "quality",
        (
            Field("x", "", None, None, "left edge of the face, fraction of the picture's width"),
            Field("y", "", None, None, "upper edge, fraction of the picture's height"),
            Field("width", "", 0, None, "fraction of the picture's width"),
            Field("height", "", 0, None, "fraction of the picture's height"),
            Field("size", "px", 0, None, "longer side of the face in the stored picture"),
            Field("sharpness", "", 0, None, "mean absolute Laplacian of the face, grey levels"),
            Field("light", "", 0, 1, "mean luma of the face"),
            Field("angle", "deg", 0, 180, "of the head away from the camera"),
            Field("presence", "", None, None, "logit of the landmark net that this is a face"),
        ),
        "see docs/reference/face.md for the thresholds",
        "where the face is and how well it can be seen; its quality stands beside every face track",
    ),
    _spec(
        "expression",
        (
            *(Field(c, "", 0, 1, "score") for c in scheme("ekman8").classes),
            Field("intensity", "", 0, 1, "strength of the strongest sign"),
        ),
        "EMFACS (Ekman and Friesen 1983), by a written rule on blendshapes; where the bundle `face` is installed, its "
        "net and this rule together",
        "scores of eight classes that sum to 1; by the rule alone they are not calibrated",
    ),
)
