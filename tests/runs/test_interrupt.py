"""Signals become a request to stop, where there are signals to receive."""

import threading

from movierec_jax.runs.interrupt import interruptible


def test_signal_handlers_are_not_set_outside_the_main_thread(tmp_path):
    failures = []

    def work():
        try:
            with interruptible("repeat the command") as stop:
                stop.raise_if_received()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
