"""From raw images to clean data: decoding, near-duplicates, leakage, label issues, the teacher's data."""
