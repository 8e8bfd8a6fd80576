"""Errors that end a run with a message for its user."""


class InputError(ValueError):
    """An input cannot be used. The message names the input, the value found, and the mend, in that order."""


class Interrupted(Exception):  # noqa: N818
    """A signal stopped the run after everything was saved; the message says how to resume."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number
