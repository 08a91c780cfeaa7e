"""Training any network: data, batches, augmentation, optimizers, checkpoints."""
