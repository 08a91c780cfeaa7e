"""Make the library importable, take the run's lock, and check config.yaml before Snakemake reads it.

Snakemake's own errors about config.yaml name no line.
"""

import sys
from os import environ, pathsep
from pathlib import Path

LIBRARY = Path(workflow.basedir) / "workflow" / "scripts" / "distillery"
# first on the path, for rules and for processes that run scripts, so that an installed version is never used instead
sys.path.insert(0, str(LIBRARY.parent))
environ["PYTHONPATH"] = pathsep.join(filter(None, (str(LIBRARY.parent), environ.get("PYTHONPATH"))))

from distillery.config.queries import (
    cleaning,
    source_queries,
    retrieval_queries,
    training_queries,
    report_queries,
    report_places,
)
from distillery.config.checks import early_warnings
from distillery.config import reading
from distillery.config.targets import image_files, training_files, report_files
from distillery.config.choices import WEB_SEARCHES
from distillery.config.queries.job_memory import memory_of_search
from distillery.jobs import CRAWL_POLICY_KEYS, UserError
from distillery.sources import own_files
from distillery.storage.host import run_lock
from distillery.storage.host.writable import require_room_for_temporary_files, require_writable
from distillery.terminal.run_digest import run_digest
from distillery.terminal.lines import show_lines

# only in the main process: the process of every job reads this file too
terminal = show_lines(workflow.output_settings) if workflow.is_main_process else None

if workflow.is_main_process:
    try:
        require_writable()
        require_room_for_temporary_files()
        if not workflow.output_settings.dryrun and not run_lock.only_looks(sys.argv):
            run_lock.hold_run()
    except UserError as error:
        sys.exit(str(error))  # a WorkflowError would add a file and line of the workflow

# Snakemake runs scripts with a shell command that does not quote the interpreter's path
if workflow.is_main_process and any(map(str.isspace, sys.executable)):
    sys.exit(
        f"Python is at {sys.executable!r}. Snakemake cannot start jobs if the path of Python contains a space. Move the"
        " checkout, or create its .venv, under a path without spaces."
    )

CONFIG_FILE = Path("config.yaml")
if workflow.is_main_process and CONFIG_FILE.exists():
    try:
        reading.read_config(CONFIG_FILE)
    except UserError as error:
        sys.exit(str(error))  # a WorkflowError would add a file and line of the workflow
