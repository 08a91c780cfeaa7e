"""Show on the terminal what the checks of all sources found, and forecast the study's time and disk space."""

import json
import sys
from pathlib import Path

from distillery.jobs import job
from distillery.storage.files import atomic_write
from distillery.storage.retrieved.source_checks import check_table, read_check
from distillery.terminal.forecast import forecast

with job(snakemake) as j:
    found = [check for path in j.input.checks if (check := read_check(path))]
    speed = json.loads(Path(j.input.speed).read_text(encoding="utf-8"))
    table = check_table(found) + forecast(j.params.work, found, speed)
    atomic_write(j.output[0], table)
    print(table, end="", file=sys.stderr)
