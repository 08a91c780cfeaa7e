"""Distillery: which images train a small classifier best, and does distilling it help?

This is the library behind the workflow. It does not import Snakemake. Its functions take and return arrays, tables or
small dataclasses, so that each stage can be imported, tested and used by itself.
"""

__version__ = "0.2.0"
