"""The summary figure: all scenarios and arms in one image."""
