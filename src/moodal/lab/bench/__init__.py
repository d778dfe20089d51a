"""The bench: protocols that refuse leaks, metrics with intervals, reports made again to the digit.

>>> from moodal.lab import bench                                                    # doctest: +SKIP
>>> bench.run(data, bench.protocol("group-kfold"), {"mine": SVC(), "plain": "logistic"})  # doctest: +SKIP
"""

from moodal.lab.data.leak import LeakageError

from .learners import LEARNERS, SklearnLearner, learner
from .metrics import METRICS
from .protocols import (
    PROTOCOLS,
    GroupKFold,
    LeaveOneSubjectOut,
    Official,
    Protocol,
    SegmentShuffle,
    StimulusKFold,
    SubjectStimulus,
    TrialKFoldWithinSubject,
    WithinSession,
    protocol,
)
from .recipe import bench
from .report import Report
from .run import Entry, run

__all__ = [
    "LEARNERS",
    "METRICS",
    "PROTOCOLS",
    "Entry",
    "GroupKFold",
    "LeakageError",
    "LeaveOneSubjectOut",
    "Official",
    "Protocol",
    "Report",
    "SegmentShuffle",
    "SklearnLearner",
    "StimulusKFold",
    "SubjectStimulus",
    "TrialKFoldWithinSubject",
    "WithinSession",
    "bench",
    "learner",
    "protocol",
    "run",
]
