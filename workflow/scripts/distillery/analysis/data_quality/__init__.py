"""How far the images can be trusted: wrong labels, leakage, diversity, and whose images they are."""
