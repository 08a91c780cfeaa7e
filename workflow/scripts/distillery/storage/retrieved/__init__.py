"""Results of retrieval: pools of images with their records, refusals, and the store of retrieved images."""
