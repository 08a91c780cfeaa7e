"""What retrieval leaves: pools of images with their records, refusals, and the store of what was fetched."""
