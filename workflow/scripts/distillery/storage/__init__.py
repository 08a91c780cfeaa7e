"""Store a study's files: write them atomically, and check them when they are read."""
