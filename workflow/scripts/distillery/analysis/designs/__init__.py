"""Study designs: which teachers and draws runs share, what intervals therefore cover, and what a design can detect."""
