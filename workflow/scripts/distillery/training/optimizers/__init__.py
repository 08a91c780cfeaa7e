"""Optimizers.

They call the functional forms of torch.optim, because its classes import torch's compiler: 9 s for each of the hundreds
of jobs of a study. On a GPU these run torch's fused kernels, and the learning rate may be a tensor on the device.
"""
