"""Images made by diffusion models."""
