"""Generating images with diffusion models: prompts, sampling, scores."""
