"""The bench: protocols that refuse leaks, metrics with intervals, reports made again to the digit."""
