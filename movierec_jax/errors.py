"""Errors that end a run with a message for people."""


class InputError(ValueError):
    """What the caller gave cannot be used. The message says what and where, what was found, and what to do."""


class Interrupted(Exception):  # noqa: N818
    """A signal stopped the run once everything was saved; the message says how to go on."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number
