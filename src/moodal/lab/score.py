"""`moodal score`: how well a bundle does on a user's own labelled data."""
