"""Safe fetching: addresses, connections, limits, one exchange, and why one failed."""
