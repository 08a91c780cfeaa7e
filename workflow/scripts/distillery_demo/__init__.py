"""Run studies offline, for the demo and for tests: drawn images, an imitated web, tiny diffusion models."""
