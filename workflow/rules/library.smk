"""The library, for the rules to call; and a first look into the configuration, whose slips Snakemake tells without a line."""

import sys
from pathlib import Path

LIBRARY = Path(workflow.basedir) / "workflow" / "scripts" / "distillery"
sys.path.insert(0, str(LIBRARY.parent))

from distillery import config as configuration
from distillery.jobs import StudyError

if Path("config.yaml").exists():
    try:
        configuration.read_config("config.yaml")
    except StudyError as error:
        sys.exit(str(error))  # a WorkflowError would add a file and a line that are not the user's
