"""A logger that keeps what it is given, for tests of what a run reports."""


class Kept:
    """Keeps epochs and figures; raises from the epoch `broken_at` on."""

    def __init__(self, broken_at=1000):
        self.broken_at, self.logged, self.is_closed = broken_at, [], False

    def log(self, epoch, figures):
        if epoch >= self.broken_at:
            raise ConnectionError("no network")
        self.logged.append((epoch, dict(figures)))

    def close(self):
        self.is_closed = True
