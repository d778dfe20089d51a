"""The page: one offline HTML file in which a person can question a Mood."""

from __future__ import annotations

from .build import render, write

__all__ = ["render", "write"]
