"""Plays a program of author.py on real Trio, under its virtual clock and a scheduler that draws."""
import random
import warnings

warnings.simplefilter("ignore")  # of what Trio will take away
import trio
import trio.testing
from outcome import capture
from trio._core import _run

END = 10**12  # when everything that is left is cancelled; creche's stage knows it, too


class Boom(Exception):
    pass


class Draw:
    """Trio's own order of turns, and any other: what can run may also be put off for a while."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.put_off = self.chance.choice([0, 0.3, 0.6, 0.85])

    def turns(self):
        return self.chance.randrange(3) if self.put_off else 0

    def shuffle(self, batch):
        self.chance.shuffle(batch)
        if not self.put_off:
            return
        for task in batch[1:]:
            if self.chance.random() < self.put_off:
                batch.remove(task)
                _run.GLOBAL_RUN_CONTEXT.runner.runq.append(task)


class Starting:
    """With Trio a child that did not say yet that it started is its starter's alone; with creche it
    is its nursery's from the first turn on, and its starter's as well. So there is a scope around
    it that takes part in what becomes of the nursery."""

    scopes = {}  # all, and their nurseries

    def __init__(self, nursery):
        self.scope = trio.CancelScope()
        Starting.scopes[self.scope] = nursery
        Starting.look()

    def over(self):
        Starting.scopes.pop(self.scope, None)

    @staticmethod
    def look():
        for scope, nursery in list(Starting.scopes.items()):
            if nursery._cancel_status.effectively_cancelled:
                scope.cancel()

    @staticmethod
    def patch(status):
        recalculate, effective_deadline = status.recalculate, status.effective_deadline

        def and_look(self):
            recalculate(self)
            Starting.look()

        def or_the_nurserys(self):
            deadline = effective_deadline(self)
            nursery = Starting.scopes.get(self._scope)
            if not nursery:
                return deadline
            return min(deadline, nursery._cancel_status.effective_deadline())

        status.recalculate, status.effective_deadline = and_look, or_the_nurserys


Starting.patch(_run.CancelStatus)


def make_the_end_of_a_nursery_a_checkpoint():
    """As with creche and with Trio 0.22: a cancel reaches a task that is at the end of a nursery's
    block, whether it waits there for children or not. Since Trio 0.23 (its issue 1457) it does not,
    and the next checkpoint tells the task. This is all that newer versions do otherwise here."""
    wait, end = _run.wait_task_rescheduled, _run.Nursery._nested_child_finished

    def add(nursery, error):
        nursery._pending_excs.append(error)
        nursery.cancel_scope.cancel()

    async def wait_and_be_told(abort):
        if abort.__qualname__.startswith("Nursery."):
            inside = dict(zip(abort.__code__.co_freevars, abort.__closure__))
            nursery = inside["self"].cell_contents

            def abort(raise_cancel):
                add(nursery, capture(raise_cancel).error)
                return trio.lowlevel.Abort.FAILED

        return await wait(abort)

    async def look_and_end(nursery, error):
        if error is not None:
            add(nursery, error)
        nursery._nested_child_running = False
        nursery._check_nursery_closed()
        if nursery._closed:
            try:
                await trio.lowlevel.checkpoint()
            except BaseException as cancelled:
                add(nursery, cancelled)
        return await end(nursery, None)

    _run.wait_task_rescheduled = wait_and_be_told
    _run.Nursery._nested_child_finished = look_and_end


if tuple(map(int, trio.__version__.split(".")[:2])) >= (0, 23):
    make_the_end_of_a_nursery_a_checkpoint()


class Around:
    """What a node has around it."""

    def __init__(self, scopes=(), nurseries=(), status=None):
        self.scopes = scopes  # the outermost first
        self.nurseries = nurseries  # the same: (nursery, what it has around it)
        self.status = status  # of the child that is to say that it started

    def scope(self, which):
        return self.scopes[which % len(self.scopes)] if self.scopes else None

    def inside_scope(self, scope):
        return Around((*self.scopes, scope), self.nurseries, self.status)

    def inside_nursery(self, nursery):
        return Around(self.scopes, (*self.nurseries, (nursery, self)), self.status)

    def nursery(self, which):
        """A nursery, and what a child has around it there."""
        at = which % len(self.nurseries)
        nursery, outside = self.nurseries[at]
        return nursery, Around(outside.scopes, self.nurseries[: at + 1])


def errors_in(error):
    """What was raised, without what only says that something was cancelled."""
    if hasattr(error, "exceptions"):
        return [e for inner in error.exceptions for e in errors_in(inner)]
    return [] if error is None or isinstance(error, trio.Cancelled) else [error]


def cancelled_in(error):
    if hasattr(error, "exceptions"):
        return next((c for c in map(cancelled_in, error.exceptions) if c), None)
    return error if isinstance(error, trio.Cancelled) else None


def name(error):
    if isinstance(error, Boom):
        return f"Boom{error}"
    if isinstance(error, RuntimeError) and "task_status.started" in str(error):
        return "NotStarted"
    if isinstance(error, AssertionError):  # of checkpoint_if_cancelled, which yields between its
        raise TriosFault()  # look at the cancel and the stop: a shield may come meanwhile
    if not isinstance(error, (trio.TooSlowError, trio.ClosedResourceError)):
        raise error  # a mistake in this file
    return type(error).__name__


class Stage:
    """One performance."""

    def __init__(self, begun):
        self.trace = []
        self.begun = begun
        self.events = [trio.Event() for _ in range(3)]
        self.channels = [trio.open_memory_channel(capacity) for capacity in range(3)]
        self.open_nurseries = []

    def note(self, id, what):
        self.trace.append([round(trio.current_time() - self.begun), id, what])

    async def until(self, t):
        if t is not None:
            await trio.sleep(t)

    async def perform(self, program):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.end_all)
            with trio.CancelScope(deadline=self.begun + END):
                await self.play(program, Around())
            nursery.cancel_scope.cancel()

    async def end_all(self):
        """Some wait behind a shield for what never comes."""
        await trio.sleep(END + 1)
        for event in self.events:
            event.set()
        for sender, _ in self.channels:
            sender.close()

    async def play(self, node, around):
        kind = node[0] + "_" if node[0] in ("raise", "finally") else node[0]
        await getattr(self, kind)(around, *node[1:])

    # ---- leaves

    async def noted(self, id, op, done):
        """Awaits, and notes what came of it."""
        try:
            value = await op()
        except trio.Cancelled:
            self.note(id, "cancelled")
            raise
        except BaseException as error:
            self.note(id, "failed" if errors_in(error) else "cancelled")
            raise
        self.note(id, done if value is None else f"{done} {value}")

    async def sleep(self, around, id, t):
        await self.noted(id, lambda: trio.sleep(t), "done")

    async def raise_(self, around, id, t):
        await self.noted(id, lambda: self.until(t), "raise")
        raise Boom(id)

    async def cancel(self, around, id, t, what, which):
        await self.noted(id, lambda: self.until(t), "cancel")
        if what == "nursery":
            around.nursery(which)[0].cancel_scope.cancel()
        elif scope := around.scope(which):
            scope.cancel()

    async def shield(self, around, id, t, which, on):
        await self.noted(id, lambda: self.until(t), "shield")
        if scope := around.scope(which):
            if on:  # what has reached a nursery of creche is not taken back
                for nursery in self.open_nurseries:
                    if nursery._cancel_status.effectively_cancelled:
                        nursery.cancel_scope.cancel()
            scope.shield = on

    async def deadline(self, around, id, t, which, d):
        await self.noted(id, lambda: self.until(t), "deadline")
        if scope := around.scope(which):
            scope.deadline = float("inf") if d is None else trio.current_time() + d

    async def peek(self, around, id):
        deadline = trio.current_effective_deadline()
        if deadline <= trio.current_time():
            self.note(id, "due")
        else:
            self.note(id, f"until {round(min(deadline - self.begun, END))}")

    async def set(self, around, id, t, event):
        await self.noted(id, lambda: self.until(t), "set")
        self.events[event].set()

    async def wait(self, around, id, event):
        await self.noted(id, self.events[event].wait, "set")

    async def send(self, around, id, channel):
        await self.noted(id, lambda: self.channels[channel][0].send(id), "sent")

    async def receive(self, around, id, channel):
        async def receive():
            try:
                return await self.channels[channel][1].receive()
            except trio.EndOfChannel:
                return "nothing"

        await self.noted(id, receive, "received")

    # ---- children

    async def child(self, node, around):
        """With creche its end, and so its failure, is a letter to its nursery; Trio's nursery knows
        at once. Others may have turns meanwhile."""
        try:
            await self.play(node, around)
        finally:
            with trio.CancelScope(shield=True):
                for _ in range(_run._r.turns()):
                    await trio.lowlevel.checkpoint()

    async def spawn(self, around, id, t, which, child):
        await self.noted(id, lambda: self.until(t), "spawn")
        nursery, there = around.nursery(which)
        nursery.start_soon(self.child, child, there)

    async def start(self, around, id, which, child):
        nursery, there = around.nursery(which)

        async def begin(task_status):
            starting = Starting(nursery)
            status = Status(task_status, starting)
            try:
                with starting.scope:
                    await self.child(child, Around(there.scopes, there.nurseries, status))
            finally:
                starting.over()

        async def start():
            # creche looks for a cancel first, and starts nobody then; Trio's start does not look
            await trio.lowlevel.checkpoint()
            try:
                return await nursery.start(begin)
            except trio.TrioInternalError as error:  # newer ones cannot raise two: a cancel, and
                raise error.__cause__  # what the child raised then

        await self.noted(id, start, "started")

    async def started(self, around, id, t):
        await self.noted(id, lambda: self.until(t), "says so")
        if around.status:
            around.status.started(id)

    # ---- what has others inside

    async def seq(self, around, parts):
        for part in parts:
            await self.play(part, around)

    async def scope(self, around, limit, shielded, node):
        deadline = float("inf") if limit is None else trio.current_time() + limit
        with trio.CancelScope(deadline=deadline, shield=shielded) as scope:
            await self.play(node, around.inside_scope(scope))
        self.note("scope", "caught" if scope.cancelled_caught else "passed")

    async def fail_after(self, around, limit, node):
        with trio.fail_after(limit) as scope:
            await self.play(node, around.inside_scope(scope))
        self.note("scope", "passed")

    async def finally_(self, around, body, cleanup, shielded):
        """Python's try and finally, but that no failure is lost: neither the body's, if its
        clean-up fails or is cancelled, nor is it turned into what the clean-up's cancel was."""
        body_error = cleanup_error = None
        try:
            await self.play(body, around)
        except BaseException as error:
            body_error = error
        try:
            with trio.CancelScope(shield=shielded):
                await self.play(cleanup, around)
        except BaseException as error:
            cleanup_error = error
        if errors_in(cleanup_error) and errors_in(body_error):
            raise BaseExceptionGroup("", errors_in(cleanup_error) + errors_in(body_error))
        if errors_in(cleanup_error) or (cleanup_error and not errors_in(body_error)):
            raise cleanup_error
        if body_error:
            raise body_error

    async def catch(self, around, id, node):
        try:
            await self.play(node, around)
            return
        except BaseException as error:
            if not errors_in(error):
                raise
            self.note(id, " ".join(["caught", *sorted(map(name, errors_in(error)))]))
            cancelled = cancelled_in(error)

        async def go_on():
            if cancelled:  # a creche task sees that at its next checkpoint
                raise cancelled
            await trio.lowlevel.checkpoint()

        await self.noted(id, go_on, "goes on")

    async def nursery(self, around, children, body):
        async with trio.open_nursery() as nursery:
            inside = around.inside_nursery(nursery)
            self.open_nurseries.append(nursery)
            for child in children:
                nursery.start_soon(self.child, child, inside)
            await self.play(body, inside)
        # one that has ended is not cancelled any more: it may stay in the list


class Status:
    """Trio forbids a second time; with creche it does nothing."""

    def __init__(self, status, starting):
        self.status = status
        self.starting = starting

    def started(self, id):
        if self.status:
            status, self.status = self.status, None
            status.started(id)
            self.starting.over()


class TriosFault(Exception):
    """What came of this order is not what Trio promises."""


def perform(program, seed):
    """The trace, sorted, and the names of the errors that came out."""
    Starting.scopes.clear()
    stage = None

    async def main():
        nonlocal stage
        stage = Stage(trio.current_time())
        await stage.perform(program)

    _run._ALLOW_DETERMINISTIC_SCHEDULING = True
    _run._r = Draw(seed)
    errors = []
    try:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0),
                 strict_exception_groups=True)
    except BaseException as error:
        errors = sorted(map(name, errors_in(error)))
    return sorted(stage.trace, key=str), errors
