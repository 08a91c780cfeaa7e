"""What makes pictures trustworthy: decoding, hashing, near-duplicates."""
