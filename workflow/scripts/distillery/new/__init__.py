"""Start a new study: write a `config.yaml` that runs as it is, for the user to edit.

    python -m distillery.new tomatoes ripe rotten
    python -m distillery.new tomatoes --images photos

The first writes `tomatoes/config.yaml` with the classes ripe and rotten (of tomatoes); its sources need no account. The
second takes the classes and images from the folders in `photos`. The networks suit the machine that the command runs
on. The package imports only the standard library and PyYAML, so that the command starts at once.
"""
