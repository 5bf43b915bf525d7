"""Samples this process's memory in a thread while the handler runs, and marks the phases.

Rss, Pss and private memory are those of /proc/self/smaps_rollup, proc_pid_smaps(5); the private part, which nobody
shares, is called USS. A handler that holds the interpreter for long, in C code that does not release it, is not
sampled meanwhile.
"""

import threading
from time import perf_counter

INTERVAL_S = 0.02
# Reading walks the page tables and takes longer for larger processes: never more than this share of the time.
LARGEST_SHARE = 0.05
# When there are more points, every second is dropped and the interval doubled.
MOST_POINTS = 2000
KINDS = ("rss", "pss", "uss")


class Sampler(threading.Thread):
    """Takes a point now, every `INTERVAL_S`, and when stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.points = []
        self.spent_s = 0.0
        self._interval_s = INTERVAL_S
        self._stopped = threading.Event()
        self._file = open("/proc/self/smaps_rollup", "rb", buffering=0)  # noqa: SIM115  # closed by finish()

    def run(self):
        """Sample until stopped."""
        pause_s = self._interval_s
        while not self._stopped.wait(pause_s):
            took_s = self.take()
            pause_s = max(self._interval_s, took_s / LARGEST_SHARE)

    def take(self):
        """Add a point and return what that took."""
        started = perf_counter()
        self._file.seek(0)
        self.points.append((started, *parse(self._file.readall())))
        if len(self.points) > MOST_POINTS:
            del self.points[1::2]
            self._interval_s *= 2
        took_s = perf_counter() - started
        self.spent_s += took_s
        return took_s

    def finish(self):
        """Stop, take the last point and close; return what the last point took."""
        self._stopped.set()
        self.join()
        took_s = self.take()
        self._file.close()
        return took_s


def begin(call):
    """Start sampling; None where other calls share the process already."""
    if call.concurrent:
        return None
    started = perf_counter()
    sampler = Sampler()
    sampler.take()
    sampler.start()
    call.marks = []
    return sampler, started, perf_counter() - started - sampler.spent_s


def end(state, call):
    """Return peaks and means, peaks of each phase, and the series itself.

    Calls that share the process share its memory: nothing is returned then but what sampling cost.
    """
    ended = perf_counter()
    if state is None:
        return {"memory-series.overhead_s": perf_counter() - ended}
    sampler, origin, spent_s = state
    last_s = sampler.finish()
    if call.concurrent:
        return {"memory-series.overhead_s": spent_s + sampler.spent_s - last_s + perf_counter() - ended}
    points = sampler.points
    phases = intervals(call.marks)
    samples = {}
    for column, kind in enumerate(KINDS, 1):
        values = [point[column] for point in points]
        samples["memory-series.%s_peak_bytes" % kind] = max(values)
        samples["memory-series.%s_mean_bytes" % kind] = mean(points, column)
        for name, first, last in phases:
            inside = [point[column] for point in points if first <= point[0] <= last]
            if inside:
                key = "memory-series.phase_%s_%s_peak_bytes" % (name, kind)
                samples[key] = max([*inside, samples.get(key, 0)])
    samples["memory-series.points_count"] = len(points)
    samples["memory-series.series"] = series(points, phases, origin)
    # Of all points the last was taken within this function.
    samples["memory-series.overhead_s"] = spent_s + sampler.spent_s - last_s + perf_counter() - ended
    return samples


def parse(text):
    """Return Rss, Pss and private memory in bytes from the text of smaps_rollup."""
    found = {}
    for line in text.splitlines()[1:]:
        words = line.split()
        found[words[0]] = int(words[1]) * 1024
    return found[b"Rss:"], found[b"Pss:"], found[b"Private_Clean:"] + found[b"Private_Dirty:"]


def mean(points, column):
    """Return the mean over time: each point stands until the next."""
    whole_s = points[-1][0] - points[0][0]
    if whole_s <= 0:
        return points[-1][column]
    pairs = zip(points, points[1:])  # noqa: B905, RUF007  # Python 3.9
    return sum(point[column] * (later[0] - point[0]) for point, later in pairs) / whole_s


def intervals(marks):
    """Return (name, first, last) of the phases in the order of their ends; one still open is left out."""
    found, opened = [], []
    for name, entered, at in marks:
        if entered:
            opened.append((name, at))
        else:
            for index in range(len(opened) - 1, -1, -1):
                if opened[index][0] == name:
                    found.append((name, opened.pop(index)[1], at))
                    break
    return found


def series(points, phases, origin):
    """Return points and phases as JSON; times count from the beginning of the call."""
    document = {"t_s": [round(point[0] - origin, 6) for point in points]}
    for column, kind in enumerate(KINDS, 1):
        document[kind + "_bytes"] = [point[column] for point in points]
    document["phases"] = [[name, round(first - origin, 6), round(last - origin, 6)] for name, first, last in phases]
    return document
