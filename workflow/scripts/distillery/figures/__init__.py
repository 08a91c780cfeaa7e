"""Draws the figures of a study; each module has one family of figures."""
