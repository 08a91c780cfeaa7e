"""Show on the terminal what the looks at all sources have found."""

import sys

from distillery.jobs import job
from distillery.storage.files import atomic_write
from distillery.storage.verdicts import read_verdict, verdict_table

with job(snakemake) as j:
    table = verdict_table([verdict for path in j.input if (verdict := read_verdict(path))])
    atomic_write(j.output[0], table)
    print(table, end="", file=sys.stderr)
