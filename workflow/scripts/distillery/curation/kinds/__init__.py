"""What kind of image an image is: a photo, or a drawing, an icon, text, a collage, a screenshot, and so on."""
