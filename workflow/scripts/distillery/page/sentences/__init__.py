"""Sentences made from the tables: the answer, key figures, insights and limitations."""
