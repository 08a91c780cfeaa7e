"""Analysis: statistics, comparisons, and the tables that results are reported in."""
