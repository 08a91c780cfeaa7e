"""Divide images into train, validation and test images, and plan the images of each scenario."""
