"""Questions about a checked configuration."""
