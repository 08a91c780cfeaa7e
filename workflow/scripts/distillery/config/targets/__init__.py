"""The names of the files that a part of a study reads or makes."""
