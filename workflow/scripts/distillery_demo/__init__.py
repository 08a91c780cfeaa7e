"""What a study needs to run offline: drawn images, an imitated web, tiny diffusion models. For the demo and tests."""
