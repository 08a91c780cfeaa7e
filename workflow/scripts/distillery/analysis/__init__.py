"""Numbers: tables, statistics, comparisons."""
