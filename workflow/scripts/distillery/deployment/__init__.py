"""A student to take along: one ONNX file, the card that says what it is worth, and a command that classifies files."""
