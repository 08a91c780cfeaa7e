"""CIFAR-10's classes. By themselves: what prepares images shall not depend on the checks of a configuration."""

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
