"""Where pictures come from: picture searches, address lists, folders, diffusion models."""
