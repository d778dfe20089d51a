"""Pipelines: recordings to predictions as a small typed graph, in Python or TOML, with leaks refused.

>>> from moodal.lab.pipeline import Pipeline, from_toml
>>> p = Pipeline("toy").acquire("folder").window(60, overlap=0.5).extract("eda.basic")
>>> from_toml(p.to_toml()) == p
True
"""

from .check import check
from .functions import register
from .graph import Node, Pipeline
from .toml import from_toml, load, to_toml

__all__ = ["Node", "Pipeline", "check", "from_toml", "load", "register", "to_toml"]
