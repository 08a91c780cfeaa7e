"""What makes images trustworthy: decoding, hashing, near-duplicates."""
