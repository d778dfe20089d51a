"""``moodal audit split``: is anything of the test part in training? Tables are enough; media are used if there."""

from .checks import audit_split
from .findings import Audit, Finding

__all__ = ["Audit", "Finding", "audit_split"]
