"""The methods to train a student: the loss that each minimizes, with settings from the configuration.

All arms without faults share everything else: the network, its initialization, the order of the images, the views, the
optimizer and the number of steps.
"""
