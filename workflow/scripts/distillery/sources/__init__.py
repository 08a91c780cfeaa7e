"""Retrieve images that exist: from image searches, lists of URLs, folders, archives and data sets."""
