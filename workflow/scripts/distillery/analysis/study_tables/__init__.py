"""The study's main tables: runs, their summary, image counts, the teacher, training curves and costs."""
