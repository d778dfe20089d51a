"""Floor 1: pure functions on arrays, without state."""
