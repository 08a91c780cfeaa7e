"""What every test shares."""

from hypothesis import settings

pytest_plugins = ["made_up_tables", "tiny_study_fixture"]

# a first call that imports torch takes seconds: time is measured in benchmarks/, never asserted in a test
settings.register_profile("distillery", deadline=None)
settings.load_profile("distillery")
