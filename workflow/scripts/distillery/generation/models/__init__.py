"""Diffusion models: a check before the first image, loading, and LoRA weights."""
