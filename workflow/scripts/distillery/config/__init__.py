"""The configuration of a study: its models, its checks, and the questions that rules ask about it."""
