"""Networks: architectures, layers, weights, batch-norm folding."""
