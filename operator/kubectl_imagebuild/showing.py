"""A build that is followed: drawn on a terminal, or line by line."""

import queue
import threading
import time
from collections.abc import Iterable
from typing import TextIO

from kubectl_imagebuild.build import SUCCEEDED, Build
from kubectl_imagebuild.following import Attempt, AttemptEnded, Event, Logged
from kubectl_imagebuild.progress import lines
from kubectl_imagebuild.progress.conclusion import conclusion, failure, success
from kubectl_imagebuild.progress.screen import Size, screen
from kubectl_imagebuild.progress.state import State
from kubectl_imagebuild.progress.terminal import Terminal
from yadokari_contract.terminal import harmless

_BETWEEN_FRAMES = 0.1
_MOST_WAITING = 10_000


def show_lines(events: Iterable[Event], out: TextIO, notes: TextIO, *, colours: bool) -> bool:
    """Write the log as it comes, what is said about it to `notes`; returns whether the image was built."""
    last = Build({})
    told = ""
    for event in events:
        match event:
            case Build():
                last = event
                waiting = (
                    "" if event.has_started else f"{event.key}: {event.reason or 'Pending'}: {event.message}"
                )
                if waiting and waiting != told:
                    notes.write(f"{waiting}\n")
                told = waiting
            case Attempt(pod) if pod.attempt > 1 or pod.platform:
                platform = f"{pod.platform}, " if pod.platform else ""
                notes.write(f"{last.key}: {platform}attempt {pod.attempt}, in pod {pod.name}\n")
            case Logged(_, text):
                out.write(f"{harmless(text, colours=colours)}\n")
                out.flush()
    for line in [success(last)] if last.phase == SUCCEEDED else failure(last):
        notes.write(f"{line}\n")
    return last.phase == SUCCEEDED


def draw(events: Iterable[Event], out: TextIO, *, colours: bool) -> bool:
    """Draw progress on a terminal until all is over; returns whether the image was built."""
    terminal = Terminal(out)
    state = State(time.time())
    arrived: queue.Queue[Event | BaseException | None] = queue.Queue(_MOST_WAITING)
    threading.Thread(target=_pass_on, args=(events, arrived), daemon=True).start()
    is_going_on = True
    while is_going_on:
        is_going_on = _take(arrived, state)
        size = terminal.size
        terminal.draw(screen(state, time.time(), size, colours=colours), size)
    # All steps, now that nothing is drawn over them any more.
    terminal.draw(screen(state, time.time(), Size(size.columns), colours=colours), size)
    for line in conclusion(state):
        out.write(f"{line}\n")
    return state.build.phase == SUCCEEDED


def _take(arrived: "queue.Queue[Event | BaseException | None]", state: State) -> bool:
    """Take what arrives until the next frame is due; returns whether there may be more."""
    due = time.monotonic() + _BETWEEN_FRAMES
    while (left := due - time.monotonic()) > 0:
        try:
            event = arrived.get(timeout=left)
        except queue.Empty:
            return True
        if isinstance(event, BaseException):
            raise event
        if event is None:
            return False
        _apply(event, state)
    return True


def _apply(event: Event, state: State) -> None:
    match event:
        case Build():
            state.see(event)
        case Attempt(pod):
            state.start(pod.attempt, pod.platform)
        case Logged(moment, text):
            if line := lines.read(text):
                state.hear(line, moment)
        case AttemptEnded():
            state.end(time.time())


def _pass_on(events: Iterable[Event], arrived: "queue.Queue[Event | BaseException | None]") -> None:
    try:
        for event in events:
            arrived.put(event)
    except BaseException as error:  # for whoever draws: a thread has nobody to tell
        arrived.put(error)
    else:
        arrived.put(None)
