"""Trains with several processes on this machine and prints the peak memory of each, as JSON.

    python tests/helpers/process_memory.py 2 --ratings=data/ml-latest-small --workdir=runs/memory --epochs=1

Memory is what a process has for itself (RssAnon of Linux), read ten times a second: pages of files that are mapped into
memory are shared by all processes, and the system takes them back when it needs room.
"""

import json
import pathlib
import re
import subprocess
import sys
import time

from drill import free_port

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "train.py"
SECONDS_BETWEEN = 0.1


def anonymous_bytes(pid: int) -> int:
    """Returns the memory that a process has for itself; 0 for one that has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) << 10 if found else 0


def peaks_of(commands: list[list[str]]) -> tuple[list[int], float]:
    """Runs commands side by side; returns the peak memory of each, and the seconds until all have ended."""
    start = time.perf_counter()
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    peaks = [0] * len(commands)
    while any(process.poll() is None for process in started):
        peaks = [max(peak, anonymous_bytes(process.pid)) for peak, process in zip(peaks, started, strict=True)]
        time.sleep(SECONDS_BETWEEN)
    assert all(process.returncode == 0 for process in started), [process.returncode for process in started]
    return peaks, time.perf_counter() - start


if __name__ == "__main__":
    count, arguments = int(sys.argv[1]), sys.argv[2:]
    address = f"localhost:{free_port()}"
    joining = [
        [f"--coordinator_address={address}", f"--num_processes={count}", f"--process_id={number}"]
        for number in range(count)
    ]
    peaks, seconds = peaks_of(
        [[sys.executable, str(SCRIPT), *arguments, *(join if count > 1 else [])] for join in joining]
    )
    print(json.dumps({"peak_gb": [round(peak / 1e9, 3) for peak in peaks], "seconds": round(seconds, 1)}))
