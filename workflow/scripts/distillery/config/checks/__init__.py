"""What the models cannot check: sections that contradict each other, and what a user should be warned of."""
