"""What the runs say: intervals and tests, tables, figures."""
