"""Scores generated images by the probability of their class, and selects those to keep."""
