"""The names of the files that a study's jobs read and write."""
