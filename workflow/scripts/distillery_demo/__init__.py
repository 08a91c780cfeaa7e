"""What makes a study run offline; nothing outside the demonstration and the tests imports it."""
