"""Body: heart, skin, breath, muscle, warmth and movement, one extractor each, all of the modality ``body``."""
