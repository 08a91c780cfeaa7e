"""CIFAR-10's classes, in a separate module, so that code that prepares images need not import the configuration."""

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
