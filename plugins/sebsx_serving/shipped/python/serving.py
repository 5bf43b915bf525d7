"""A first-in-first-out queue in front of workers, and users or arrivals that fill it.

Each worker is a thread here that takes a request and either does the work itself, or has a process of its own do it:
one that was forked after the model was loaded, or one that was started and loaded the model itself.
"""

import heapq
import os
import queue
import random
import subprocess
import sys
import threading
import time

import work

_READY_S = 60.0
_LEAST = 3  # inferences of each worker at full load


class ModelServer:
    """The workers of one sandbox. The first `widen` loads; nothing is counted before `begin`."""

    def __init__(self, event):
        self._event = event
        self._mode = event["mode"]
        started = time.perf_counter()
        self._model = work.ServedModel(event)
        self._load_s = time.perf_counter() - started
        self.rounds = event["rounds"] or self._model.rounds_for(event["work_s"])
        self._queue = queue.SimpleQueue()
        self._lock = threading.Condition()
        self._waiting = {}  # number of a request -> when it was due
        self._done = []  # (due, latency, service)
        self._children, self._threads, self._started = [], [], []
        self._ready = self._working = 0
        self._counted_s = self._busy_s = self._workers_s = 0.0
        self._closed = False
        self._crowd = None
        self._zero = time.perf_counter()

    def widen(self, workers):
        """Have at least so many workers; those that are new are ready when their processes are."""
        while len(self._threads) < workers:
            # Forked here, by the thread that answers calls: a lock that another thread holds would stay locked in it.
            child = _forked(self._model, self._children) if self._mode == "forked" else None
            thread = threading.Thread(target=self._work, args=(child,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait_until_ready(self, workers):
        """Return when so many workers take requests."""
        with self._lock:
            if not self._lock.wait_for(lambda: self._ready >= workers, _READY_S):
                raise RuntimeError("only %d of %d workers are ready after %g s" % (self._ready, workers, _READY_S))

    def begin(self, load):
        """Let requests come: users that think, or arrivals at given times; time counts from now on."""
        with self._lock:
            self._zero = time.perf_counter()
            self._counted_s = self._busy_s = self._workers_s = 0.0
        self._crowd = _Users(load) if "users" in load else _Arrivals(load)
        thread = threading.Thread(target=self._generate, daemon=True)
        thread.start()

    def period(self, until_s):
        """Wait until a time since `begin`, and return what was done since the last period and what waits."""
        time.sleep(max(0.0, until_s - self._now()))
        with self._lock:
            done, self._done = self._done, []
            now = self._count()
            waiting = [now - due for due in self._waiting.values()]
            busy_s, workers_s = self._busy_s, self._workers_s
            self._busy_s = self._workers_s = 0.0
        return {
            "until_s": now,
            "due_s": [each[0] for each in done],
            "latency_s": [each[1] for each in done],
            "service_s": [each[2] for each in done],
            "waiting_s": waiting,
            "busy_s": busy_s,
            "workers_s": workers_s,
            "pss_bytes": self.memory(),
        }

    def saturate(self, seconds):
        """Keep all workers busy, for a time and for some inferences of each; return how many ended, and the time."""
        least = _LEAST * self._ready
        started = self._now()
        for number in range(2 * self._ready):
            self._enter(number, started)
        time.sleep(seconds)
        with self._lock:
            self._lock.wait_for(lambda: len(self._done) >= least, _READY_S)
            return len(self._done), self._now() - started

    def starts(self):
        """Return what loading took here, and the starts of workers that were processes of their own."""
        return {"load_s": self._load_s, "boot_s": [each[0] for each in self._started],
                "boot_load_s": [each[1] for each in self._started]}  # fmt: skip

    def children(self):
        """Return the processes of the workers."""
        return [child[0] for child in self._children]

    def memory(self):
        """Return the PSS of this process and of its workers; None where it cannot be read."""
        return pss([os.getpid(), *self.children()])

    def close(self):
        """End the load, the workers and their processes."""
        self._closed = True
        with self._lock:
            self._lock.notify_all()
        for _ in self._threads:
            self._queue.put(None)
        for process, to, _back, started in self._children:
            to.close()
            if started is not None:
                started.wait()
            else:
                os.waitpid(process, 0)
        for thread in self._threads:
            thread.join()
        for _, _, back, _ in self._children:
            back.close()

    def _now(self):
        return time.perf_counter() - self._zero

    def _count(self):
        """Add up the time of all workers and of those that work, and return now; call it with the lock."""
        now = self._now()
        self._workers_s += self._ready * (now - self._counted_s)
        self._busy_s += self._working * (now - self._counted_s)
        self._counted_s = now
        return now

    def _work(self, child):
        if self._mode == "processes":
            child = self._start_process()
        if child is not None:
            self._children.append(child)
        with self._lock:
            self._count()
            self._ready += 1
            self._lock.notify_all()
        while True:
            number = self._queue.get()
            if number is None or self._closed:
                return
            with self._lock:
                began = self._count()
                self._working += 1
            try:
                service = self._infer(child)
            except (OSError, ValueError):  # closed meanwhile
                return
            with self._lock:
                now = self._count()
                self._working -= 1
                due = self._waiting.pop(number)
                self._done.append((due, now - due, service or now - began))
                if self._crowd is not None:
                    self._crowd.answered(now)
                self._lock.notify_all()
            if self._crowd is None:
                self._enter(number, now)

    def _infer(self, child):
        if child is None:
            self._model.infer(self.rounds)
            return None
        _, to, back, _ = child
        to.write(b"%d\n" % self.rounds)
        return float(back.readline())

    def _start_process(self):
        """Start a replica and wait until it has loaded, as a pod is started beside others."""
        kind = "held" if self._event["held"] else "released"
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, work.__file__, str(self._event["model_bytes"]), kind],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        back = os.fdopen(os.dup(process.stdout.fileno()), "rb")
        process.stdout.close()
        load_s = float(back.readline())
        self._started.append((time.perf_counter() - started - load_s, load_s))
        return process.pid, process.stdin, back, process

    def _enter(self, number, due):
        with self._lock:
            self._waiting[number] = due
        self._queue.put(number)

    def _generate(self):
        number = 0
        while not self._closed:
            with self._lock:
                due = self._crowd.next_s()
                if due is None or due > self._now():
                    if due is None and self._crowd.over:
                        return
                    self._lock.wait(None if due is None else due - self._now())
                    continue
                self._crowd.sent()
                self._waiting[number] = due
            self._queue.put(number)
            number += 1


class _Arrivals:
    """Requests at given times, whether or not earlier ones were answered."""

    over = True

    def __init__(self, load):
        self._times = load["times_s"]
        self._next = 0

    def next_s(self):
        """Return when the next is due; None for never."""
        return self._times[self._next] if self._next < len(self._times) else None

    def sent(self):
        """Go on to the one after."""
        self._next += 1

    def answered(self, now):
        """Nobody waits for it."""


class _Users:
    """Each sends, waits for the answer, thinks and sends again."""

    over = False

    def __init__(self, load):
        self._ready = [user / load["spawn_rate"] for user in range(load["users"])]
        self._think_s = load["think_s"]
        self._rng = random.Random(load["seed"])  # noqa: S311  # a seeded design, not a secret

    def next_s(self):
        """Return when the next user sends; None while all wait for answers."""
        return self._ready[0] if self._ready else None

    def sent(self):
        """Let that user wait."""
        heapq.heappop(self._ready)

    def answered(self, now):
        """Let one user think."""
        heapq.heappush(self._ready, now + self._rng.uniform(*self._think_s))


def _forked(model, before):
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    process = os.fork()
    if process:
        os.close(to_read)
        os.close(from_write)
        return process, os.fdopen(to_write, "wb", 0), os.fdopen(from_read, "rb"), None
    try:
        # Whoever keeps an end of a sibling's pipe keeps it from noticing that the parent is gone.
        for _, to, back, _ in before:
            os.close(to.fileno())
            os.close(back.fileno())
        os.close(to_write)
        os.close(from_read)
        work.answer(model, os.fdopen(to_read, "rb"), os.fdopen(from_write, "wb", 0))
    finally:
        os._exit(0)


def pss(processes):
    """Return the proportional memory of some processes in bytes; None where it cannot be read."""
    total = 0
    for process in processes:
        try:
            with open("/proc/%d/smaps_rollup" % process, "rb") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith(b"Pss:")) * 1024
        except (OSError, StopIteration):
            return None
    return total
