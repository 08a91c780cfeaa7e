"""Exporting a student: one ONNX file, its model card, and a command that classifies image files."""
