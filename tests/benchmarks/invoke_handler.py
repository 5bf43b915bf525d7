"""Call a handler outside of sebsx: `python -I -S invoke_handler.py CODE DEPENDENCIES WORKDIR [CALLS] < event.json`.

Stands in for a platform with the documented parts of the context only: files below WORKDIR are the
object storage, dicts are the table. Prints output and phases of the last call, what the process
used for the first, and of each call how long it took and its phases, as JSON.
Standard library, Python 3.9.
"""

import contextlib
import importlib.util
import json
import pathlib
import resource
import shutil
import sys
import time
import uuid


class Storage:
    """Objects as files."""

    def __init__(self, root):
        self._root = root

    def download(self, key):
        return (self._root / key).read_bytes()

    def upload(self, key, data):
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def download_file(self, key, path):
        shutil.copyfile(self._root / key, path)

    def upload_file(self, key, path):
        self.upload(key, pathlib.Path(path).read_bytes())


class Table:
    """Items as JSON, so that what cannot be stored in a table fails here too."""

    def __init__(self):
        self._partitions = {}
        self.operations = 0

    def put(self, partition, sort, item):
        self.operations += 1
        self._partitions.setdefault(partition, {})[sort] = json.dumps(item)

    def get(self, partition, sort):
        self.operations += 1
        item = self._partitions.get(partition, {}).get(sort)
        return None if item is None else json.loads(item)

    def query(self, partition):
        self.operations += 1
        return [json.loads(item) for _, item in sorted(self._partitions.get(partition, {}).items())]

    def delete(self, partition, sort):
        self.operations += 1
        self._partitions.get(partition, {}).pop(sort, None)


class Phase:
    """As cheap as that of sebsx: what it costs itself is in no phase."""

    __slots__ = ("_name", "_phases", "_started")

    def __init__(self, phases, name):
        self._phases, self._name = phases, name

    def __enter__(self):
        self._started = time.perf_counter()

    def __exit__(self, *_exc):
        ended = time.perf_counter()
        self._phases[self._name] = self._phases.get(self._name, 0.0) + ended - self._started


class Context:
    """What docs/architecture.md says a handler is given."""

    memory_mib = 256
    timeout_s = 60.0

    def __init__(self, root, table=None):
        self.request_id = uuid.uuid4().hex
        self.storage = Storage(root)
        self.table = table or Table()
        self.phases = {}

    def remaining_s(self):
        return self.timeout_s

    def phase(self, name):
        return Phase(self.phases, name)


def main(code, dependencies, workdir, calls="1"):
    sys.path[:0] = [code, dependencies]
    event = json.load(sys.stdin)
    context = Context(pathlib.Path(workdir))
    sees_sebsx = importlib.util.find_spec("sebsx") is not None
    import function

    timed = []
    for number in range(int(calls)):
        context = context if number == 0 else Context(pathlib.Path(workdir), context.table)
        cpu_s, started_s = cpu_time_s(), time.perf_counter()
        output = function.handler(event, context)
        duration_s = time.perf_counter() - started_s
        timed.append({"duration_s": duration_s, "phases": context.phases, "cpu_s": cpu_time_s() - cpu_s})
    report = {
        "output": output,
        "phases": context.phases,
        "sees_sebsx": sees_sebsx,
        "cpu_s": timed[0]["cpu_s"],
        "calls": timed,
        "table_operations": context.table.operations,
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(report, allow_nan=False))


def cpu_time_s():
    """CPU time of this process and of the programs it ran and waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_bytes():
    """Peak of this program; unlike ru_maxrss it forgets the process that started it."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
