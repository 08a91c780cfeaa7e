"""Where images come from: image searches, address lists, folders, diffusion models."""
