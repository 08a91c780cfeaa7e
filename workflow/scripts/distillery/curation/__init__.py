"""Turn raw images into clean data: decoding, near-duplicates, leakage, label issues, the teacher's data."""
