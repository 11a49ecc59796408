"""Comparisons with other ways of doing it."""
