"""The page `results/report.html`: the whole study in one file that opens offline."""
