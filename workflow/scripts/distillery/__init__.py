"""Distillery: which images teach a small classifier best, and does distilling it help?

The library behind the workflow. It knows nothing of Snakemake: every function takes and returns arrays, tables or
small dataclasses, so that each stage can be imported, tested and used on its own.
"""
