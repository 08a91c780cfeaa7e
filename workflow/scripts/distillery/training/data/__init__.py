"""Images of a training: the data set, the batches of each step, and augmentation."""
