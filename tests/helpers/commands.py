"""Runs a command in this process."""

import contextlib
import importlib
import io
import shlex
import sys
import threading
import warnings

import pytest
from absl import app, flags


def run_command(command: str) -> tuple[int, str, str]:
    """Exit status, output and messages of "name --flag ..." run in this process, with flags of its own."""
    name, *arguments = shlex.split(command)
    module = f"movierec_jax.commands.{name}"
    out, err = io.StringIO(), io.StringIO()
    app.define_help_flags()
    before = set(flags.FLAGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"movierec {name}", *arguments])
        # What commands change for the whole process.
        patch.setattr(sys, "unraisablehook", sys.unraisablehook)
        patch.setattr(threading, "excepthook", threading.excepthook)
        patch.setattr(warnings, "formatwarning", warnings.formatwarning)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
                importlib.import_module(module).run()
        finally:
            del sys.modules[module]
            for flag in set(flags.FLAGS) - before:
                delattr(flags.FLAGS, flag)
            flags.FLAGS.unparse_flags()
    return end.value.code, out.getvalue(), err.getvalue()
