"""Which images a study trains, validates and tests on."""
