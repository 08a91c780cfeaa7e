"""Quality of the images: wrong labels, leakage, diversity, acceptance of generated images, and attribution."""
