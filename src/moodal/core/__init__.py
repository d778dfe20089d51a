"""Floor 0: the nouns. Standard library and numpy only; no file format, no model, no screen."""
