"""Find near-duplicates: search candidate pairs of images, align and compare them, and group those that agree."""
