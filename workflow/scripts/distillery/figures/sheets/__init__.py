"""Draws sheets of a source's images: those kept, and those dropped, flagged or rejected, with reasons."""
