"""The library, for the rules to call; and a first look at the configuration: Snakemake reports mistakes in it without a line."""

import sys
from os import environ, pathsep
from pathlib import Path

LIBRARY = Path(workflow.basedir) / "workflow" / "scripts" / "distillery"
# for the rules, and for the processes that run their scripts: a library installed from elsewhere must not stand before
sys.path.insert(0, str(LIBRARY.parent))
environ["PYTHONPATH"] = pathsep.join(filter(None, (str(LIBRARY.parent), environ.get("PYTHONPATH"))))

from distillery.config import queries, reading, targets
from distillery.config.choices import WEB_SEARCHES
from distillery.jobs import CRAWL_POLICY_KEYS, UserError

OWN = Path("config.yaml")
# once a study, not once a job
if workflow.is_main_process and OWN.exists():
    try:
        reading.read_config(OWN)
    except UserError as error:
        sys.exit(str(error))  # a WorkflowError would add a file and a line that are not the user's
