"""Serves runs for tests: in this process with API_CONFIG, or as a process of its own."""

import contextlib
import pathlib
import re
import signal
import subprocess
import sys

from movierec_jax.serve.config import ServeConfig

ROOT = pathlib.Path(__file__).parents[2]
END_SECONDS = 60

# Small limits, so that tests exceed them.
API_CONFIG = ServeConfig(max_batch=2, max_k=20, max_ratings=30, rate_limit="", access_log="none")


@contextlib.contextmanager
def served(workdir, *flags, prefix=()):
    """Starts scripts/serve.py on a workdir and yields its address and process, which is killed at the end.

    prefix: a command that starts the process with other limits or rights.
    """
    command = [*prefix, sys.executable, "-u", str(ROOT / "scripts" / "serve.py"), f"--workdir={workdir}", "--port=0"]
    command += ["--access_log=none", *flags]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, f"{line}{process.stderr.read()}"
            yield found[0], process
        finally:
            process.kill()


def stopped(process, number=signal.SIGTERM):
    """Sends a signal to a process and returns its exit status and standard error."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=END_SECONDS)
    return process.returncode, errors
