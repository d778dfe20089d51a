"""Data sets: an `Index` of examples, ragged features by modality, named missing patterns, a checked cache.

``moodal.lab.data.sets`` has one reader a data set; `synthetic.people` makes people whose truth is known.
"""

from .cache import Cache, key_of
from .dataset import Batch, Dataset, Feature
from .index import Index
from .labels import Labels, SealedLabels
from .leak import LeakageError
from .learner import Fitted, Learner, Prediction
from .missing import Missing
from .spec import SetSpec, find, lacking
from .synthetic import people

__all__ = [
    "Batch",
    "Cache",
    "Dataset",
    "Feature",
    "Fitted",
    "Index",
    "Labels",
    "LeakageError",
    "Learner",
    "Missing",
    "Prediction",
    "SealedLabels",
    "SetSpec",
    "find",
    "key_of",
    "lacking",
    "people",
]
