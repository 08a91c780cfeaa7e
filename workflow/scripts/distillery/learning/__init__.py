"""The training engine: networks, losses, and what they need. Imports torch; never torchvision, pandas or diffusers."""
