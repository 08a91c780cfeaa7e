"""Google's results as a person's own browser received them: saved pages, and a browser that the program opens."""
