"""Teachers, students, methods and their losses."""
