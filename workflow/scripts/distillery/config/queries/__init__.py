"""Functions that read a checked configuration for the rules."""
