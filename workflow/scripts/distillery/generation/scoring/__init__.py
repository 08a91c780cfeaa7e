"""How likely a generated image shows its class, and which images are kept by it."""
