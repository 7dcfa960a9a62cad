import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from yadokari_api.keys import Key
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.handlers.queue import WorkQueue
from yadokari_operator.handlers.workers import Workers

KEY, OTHER = Key("team", "app"), Key("team", "other")


def run(scenario: Callable[[WorkQueue[Key]], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(scenario(WorkQueue()), 5)

    asyncio.run(limited())


async def nothing_is_due(queue: WorkQueue[Key]) -> bool:
    try:
        await asyncio.wait_for(queue.get(), 0.05)
    except TimeoutError:
        return True
    return False


def test_a_key_added_twice_is_worked_on_once() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        queue.add(KEY)
        queue.add(KEY)
        assert await queue.get() == KEY
        queue.done(KEY)
        assert await nothing_is_due(queue)

    run(scenario)


def test_a_key_added_during_its_work_is_due_again_afterwards_and_not_before() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        queue.add(KEY)
        await queue.get()
        queue.add(KEY)
        assert await nothing_is_due(queue)
        queue.done(KEY)
        assert await queue.get() == KEY

    run(scenario)


def test_a_busy_key_does_not_hold_up_another() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        queue.add(KEY)
        await queue.get()
        queue.add(KEY)
        queue.add(OTHER)
        assert await queue.get() == OTHER

    run(scenario)


def test_a_delayed_key_is_due_when_its_time_has_come() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        queue.add(KEY, 1)
        assert await nothing_is_due(queue)
        assert await queue.get() == KEY

    run(scenario)


def test_an_event_brings_a_delayed_key_forward_and_a_delay_never_puts_one_back() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        queue.add(KEY, 60)
        queue.add(KEY)
        queue.add(KEY, 60)
        assert await queue.get() == KEY
        queue.done(KEY)
        assert await nothing_is_due(queue)

    run(scenario)


def test_what_has_changed_goes_before_what_is_looked_at_in_passing() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        swept = [Key("team", f"{number}") for number in range(3)]
        for key in swept:
            queue.add(key, patient=True)
        queue.add(KEY)
        queue.add(swept[1])
        queue.add(swept[2], patient=True)
        assert [await queue.get() for _ in range(4)] == [swept[1], KEY, swept[0], swept[2]]
        assert queue.depth == 0

    run(scenario)


def test_what_changes_all_the_time_does_not_keep_others_from_their_turn() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        queue.add(OTHER, patient=True)
        queue.add(KEY)
        for _ in range(20):
            taken = await queue.get()
            if taken == OTHER:
                return
            queue.add(taken)
            queue.done(taken)
        raise AssertionError("it was never taken")

    run(scenario)


def test_a_waiting_worker_is_woken_by_a_key() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        waiting = [asyncio.create_task(queue.get()) for _ in range(2)]
        await asyncio.sleep(0.01)
        queue.add(KEY)
        queue.add(OTHER)
        assert set(await asyncio.gather(*waiting)) == {KEY, OTHER}

    run(scenario)


def test_a_failed_reconciliation_is_tried_again() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        seen: list[Key] = []
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def reconcile(key: Key) -> float | None:
            seen.append(key)
            if len(seen) == 1:
                raise ClusterError("no answer", status=0)
            loop.call_soon_threadsafe(done.set)
            return None

        queue.add(KEY)
        working = asyncio.create_task(Workers(queue, reconcile).run(2))
        await done.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert seen == [KEY, KEY]

    run(scenario)


def test_a_key_that_went_while_it_was_looked_at_is_news_only_where_it_is_found_gone_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        looks: list[Key] = []
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def reconcile(key: Key) -> float | None:
            looks.append(key)
            if len(looks) == 2:
                loop.call_soon_threadsafe(done.set)
            raise ClusterError("app not found", status=404)

        queue.add(KEY)
        working = asyncio.create_task(Workers(queue, reconcile).run(1))
        await done.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    run(scenario)
    told = [
        record.getMessage()
        for record in caplog.records
        if record.name == "yadokari_operator.handlers.workers"
    ]
    assert told == ["team/app: trying again in 2 s: app not found"]


def test_a_worker_that_is_stopped_ends_what_it_has_begun() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        ended: list[Key] = []
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def reconcile(key: Key) -> float | None:
            loop.call_soon_threadsafe(begun.set)
            time.sleep(0.2)
            ended.append(key)
            return None

        queue.add(KEY)
        working = asyncio.create_task(Workers(queue, reconcile).run(1))
        await begun.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert ended == [KEY]

    run(scenario)


def test_who_waits_can_be_cancelled_in_the_very_moment_in_which_a_key_comes() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        for turns in range(5):
            waiting = asyncio.create_task(queue.get())
            await asyncio.sleep(0)
            # Later by each turn than the one before, so that nothing is due.
            queue.add(Key("team", f"app-{turns}"), 1000.0 + turns)
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            done, _ = await asyncio.wait([waiting], timeout=60)
            assert done, turns

    run(scenario)


def test_workers_end_when_they_are_told_so_while_keys_come_and_fall_due() -> None:
    async def scenario(queue: WorkQueue[Key]) -> None:
        for turns in range(12):
            work = asyncio.create_task(Workers(queue, lambda _: 0.001).run(16))
            queue.add(KEY)
            for number in range(turns):
                queue.add(Key("team", f"app-{number}"), 0.0005 * number)
                await asyncio.sleep(0)
            queue.add(OTHER)
            work.cancel()
            done, _ = await asyncio.wait([work], timeout=60)
            assert done, turns

    run(scenario)
