"""Read Google's results as a browser receives them: from saved pages, or in a browser that the program opens."""
