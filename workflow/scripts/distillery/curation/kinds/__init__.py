"""Classify images by kind: photo, drawing, icon, text, collage, screenshot, and so on."""
