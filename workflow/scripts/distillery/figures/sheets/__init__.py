"""Sheets of a source's images: what it found, what was dropped and why."""
