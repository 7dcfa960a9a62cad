"""A build that is to end: who may ask for it, and how that reaches whatever is under way."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

logger = logging.getLogger(__name__)

_OF_IMAGES = frozenset(
    {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.Signals.SIGRTMIN + 3}
)
"""What images have for their STOPSIGNAL beside those below: a base's own container is ended by that."""

SIGNALS = _OF_IMAGES | {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
"""What asks a build to end. No thread of the executor gets them but the one that waits for them."""

PATIENCE = 8.0
"""Seconds in which a build that was asked to end does so by itself: its pod is granted 10, others 30."""

_NUDGE = signal.SIGURG
_PAUSE = 0.02
# Interrupted in these, a condition would let go of a lock that it does not have, or keep one that it has.
_OF_CONDITIONS = frozenset(
    function.__code__
    for function in (
        threading.Condition.__enter__,
        threading.Condition.__exit__,
        threading.Condition._acquire_restore,  # type: ignore[attr-defined]
        threading.Condition._release_save,  # type: ignore[attr-defined]
    )
)
# sigaction(2); the standard library has no name for it.
_SI_KERNEL = 0x80


class Cancellation:
    """Raises `KeyboardInterrupt` in the main thread once somebody from outside of the container asks.

    Steps share the container's processes and may send the same signals: what does not come from the outside,
    which is no process to us, or from the executor's own parent, is not a cancellation.

    An exception out of a signal's handler gets lost where Python calls back from what cannot fail (`__del__`,
    weakref). So the asking is remembered, and the exception raised again until the main thread is on its way
    out. Open in the main thread, before any other is started; when the context ends, so does the asking.

    `abandon` is called in another thread where the context has not ended `patience` seconds later: something
    that is waited for, such as a registry that does not answer, does not end.
    """

    def __init__(self, abandon: Callable[[], object], patience: float = PATIENCE) -> None:
        self._abandon = abandon
        self._patience = patience
        self._asked = threading.Event()
        self._over = threading.Event()
        self._main = threading.main_thread().ident or 0
        self._has_warned = False

    def __enter__(self) -> Self:
        signal.signal(_NUDGE, self._interrupt)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=self._watch, name="cancellation", daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Raise no more, whoever asks; call where the exception is caught, which may be before the end."""
        self._over.set()

    def _watch(self) -> None:
        while not self._is_meant(signal.sigwaitinfo(SIGNALS)):
            pass
        self._asked.set()
        deadline = time.monotonic() + self._patience
        while not self._over.is_set() and time.monotonic() < deadline:
            signal.pthread_kill(self._main, _NUDGE)
            self._over.wait(_PAUSE)
        if not self._over.is_set():
            self._abandon()

    def _is_meant(self, sent: signal.struct_siginfo) -> bool:
        if sent.si_signo in _OF_IMAGES and sent.si_code == _SI_KERNEL:
            # A terminal has gone, or another size.
            return False
        if sent.si_pid in (0, os.getppid()):
            return True
        if not self._has_warned:
            logger.warning(
                "%s sent by process %d of this container does not end the build: delete the pod for that",
                _name(sent.si_signo),
                sent.si_pid,
            )
        self._has_warned = True
        return False

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code in _OF_CONDITIONS:
            return  # the next nudge comes soon
        # Unlike an error it is caught nowhere on its way, by whatever code it happens to meet.
        if self._asked.is_set() and not self._over.is_set() and not _is_on_its_way():
            raise KeyboardInterrupt


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Have what is done within done as a whole: the exception comes before or after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {_NUDGE})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock() -> None:
    """Give the calling thread the signals that the executor's threads do not get; for a new process."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS, _NUDGE})


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of those of real time have none
        return f"signal {number}"


def _is_on_its_way() -> bool:
    """Tell whether what runs now is what runs because of the exception: `finally`, `__exit__`."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
