"""Floor 2, the verb *measure*: streams in, tracks out. One room a modality."""
