"""Near-duplicates: candidate pairs of images, compared in detail after alignment, and grouped."""
