"""CIFAR-10's classes. A module of their own, so that code that prepares images does not import the configuration."""

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
