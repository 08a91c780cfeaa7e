"""What a run shows on the terminal: a forecast of its duration, one line for each job, and the results at its end."""
