"""How an index is split into train, validation and test: every protocol has all three parts, and refuses leaks.

::

    who is tested        what is known of them           protocol
    a stranger           nothing                         leave-one-subject-out, group-kfold
    a stranger           nothing, nor of the film        subject+stimulus
    a known person       other films                     stimulus-kfold
    a known person       their other trials              within-session, trial-kfold-within-subject (a model each)
    as the makers say                                    official
    LEAKY                windows of the same trial       segment-shuffle
"""

from __future__ import annotations

from typing import Any

from moodal.core.errors import UsageError

from .base import Fold, Protocol
from .groups import GroupKFold, LeaveOneSubjectOut, Official, StimulusKFold, SubjectStimulus
from .within import SegmentShuffle, TrialKFoldWithinSubject, WithinSession

__all__ = ["PROTOCOLS", "Fold", "GroupKFold", "LeaveOneSubjectOut", "Official", "Protocol", "SegmentShuffle",
           "StimulusKFold", "SubjectStimulus", "TrialKFoldWithinSubject", "WithinSession", "protocol"]  # fmt: skip

PROTOCOLS: dict[str, type[Protocol]] = {
    p.name: p
    for p in (
        Official, LeaveOneSubjectOut, GroupKFold, StimulusKFold, SubjectStimulus, WithinSession,
        TrialKFoldWithinSubject, SegmentShuffle,
    )
}  # fmt: skip
#: What papers call them.
ALIASES = {"loso": "leave-one-subject-out", "subject-stimulus": "subject+stimulus"}

_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "dict[str, str]": (dict,),
}


def protocol(use: str, **settings: Any) -> Protocol:
    """The protocol of that name with those settings; underscores stand for hyphens, and ``loso`` is known.

    Raises
    ------
    UsageError : no such protocol or setting.
    """
    plain = use.replace("_", "-").lower()
    use = ALIASES.get(plain, plain)
    if use not in PROTOCOLS:
        raise UsageError(f"unknown protocol {use!r}", fix=f"Known: {', '.join(PROTOCOLS)}.")
    known = PROTOCOLS[use].__dataclass_fields__
    for key, value in settings.items():
        if key not in known:
            raise UsageError(f"protocol {use} has no setting {key!r}", fix=f"It has: {', '.join(known)}.")
        kinds = _TYPES.get(str(known[key].type), (list, tuple))
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds != (bool,)):
            raise UsageError(f"protocol {use}: {key} = {value!r} is not of the type {known[key].type}")
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    return PROTOCOLS[use](**settings)
