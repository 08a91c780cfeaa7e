"""A teacher's train and test images, from CIFAR-10, folders, a data set or curated sources."""
