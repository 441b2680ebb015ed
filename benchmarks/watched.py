"""model-etl, and what its phases took and each node's thread of the processor, as JSON into a file.

python benchmarks/watched.py FILE run OPTIONS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Watch the threads, and run."""
    from model_etl.__main__ import command  # noqa: PLC0415
    from model_etl.job import run as job  # noqa: PLC0415  --help of nobody waits for it
    from model_etl.pipeline import strategy as execution  # noqa: PLC0415

    report_file = Path(sys.argv.pop(1))
    work, run_job = execution._run_node, job.run_job  # noqa: SLF001  there is no other way in
    nodes: dict[str, float] = {}

    def working(node: Any, ended: Any) -> None:
        start = time.thread_time()
        try:
            work(node, ended)
        finally:
            nodes[node.name] = time.thread_time() - start

    def running(*arguments: Any) -> Any:
        report, failure = run_job(*arguments)
        report_file.write_text(json.dumps({"phases": report.seconds, "nodes": nodes}), "utf-8")
        return report, failure

    execution._run_node = working  # noqa: SLF001
    job.run_job = running
    command()


if __name__ == "__main__":
    main()
