"""`python -m model_etl.engines.mapreduce`: the scoring job; with --count, the counting job."""
# ruff: noqa: E402  the search path comes before all imports that it could mislead

from __future__ import annotations

from model_etl.runtime.search_path import leave_out_current_folder

leave_out_current_folder()

import os
import sys

from model_etl.engines.mapreduce.command import run_command
from model_etl.engines.mapreduce.counting import CountingJob
from model_etl.engines.mapreduce.job import ScoringJob

if __name__ == "__main__":
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # mrjob starts its tasks as Python processes
    arguments = [argument for argument in sys.argv[1:] if argument != "--count"]
    job = ScoringJob if arguments == sys.argv[1:] else CountingJob
    sys.argv[1:] = arguments  # mrjob passes some of them on to the tasks
    run_command(job)
