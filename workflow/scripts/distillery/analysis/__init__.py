"""StepScalars: tables, statistics, comparisons."""
