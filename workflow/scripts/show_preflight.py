"""Show on the terminal what the checks of all sources found, and forecast the study's time and disk space."""

import json
import sys
from pathlib import Path

from distillery.jobs import job
from distillery.storage.files import atomic_write
from distillery.storage.retrieved.verdicts import read_verdict, verdict_table
from distillery.terminal.forecast import forecast

with job(snakemake) as j:
    found = [verdict for path in j.input.verdicts if (verdict := read_verdict(path))]
    speed = json.loads(Path(j.input.speed).read_text(encoding="utf-8"))
    table = verdict_table(found) + forecast(j.params.work, found, speed)
    atomic_write(j.output[0], table)
    print(table, end="", file=sys.stderr)
