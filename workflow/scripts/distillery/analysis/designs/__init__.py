"""A study's design: what its runs share, what its intervals therefore cover, and what another design would find."""
