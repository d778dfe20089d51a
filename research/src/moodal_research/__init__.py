"""Bundles that may be used in research only: files named ``NAME.bundle`` in this folder. See LICENSE."""
