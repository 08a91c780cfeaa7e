"""Generating images with diffusion models: prompts, sampling, CLIP scores."""
