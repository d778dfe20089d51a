"""Experts: small models of our own, each made again from the data by one command.

::

    recipes/experts/NAME.toml ─► make(settings, work) ─► Made: predictions of people left out, and the final model
                                                            │
                         calibrate (temperature, label sets) ◄┤   every figure has an interval over people,
                         figures, groups, trivial rows        │   and is of people that what made it had not seen
                                                              ▼
                                                     NAME.bundle + card
"""

from .made import Made, OutOfFold
from .recipe import ExpertRecipe, load, names
from .work import Work

__all__ = ["ExpertRecipe", "Made", "OutOfFold", "Work", "load", "names"]
