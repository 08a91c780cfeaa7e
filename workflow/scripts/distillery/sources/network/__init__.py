"""Fetch from the web safely: allowed addresses, connections, limits, single requests, and reasons of failures."""
