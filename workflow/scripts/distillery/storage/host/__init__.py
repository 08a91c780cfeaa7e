"""The machine a study runs on: its memory, its disk, what jobs used, and one run at a time."""
