"""The configuration of a study: its models and checks, and functions that rules read it with."""
