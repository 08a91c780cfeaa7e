"""What the terminal shows of a run: its lines, what it will take, and what it ended with."""
