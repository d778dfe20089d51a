"""``moodal score``: how well a bundle does on a user's own labelled data."""

from .run import Score, score
from .scorers import DialogueModel, Scorer, open_scorer
from .table import Row

__all__ = ["DialogueModel", "Row", "Score", "Scorer", "open_scorer", "score"]
