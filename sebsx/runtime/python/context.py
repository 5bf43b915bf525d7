"""What a handler is given as its second argument."""

from time import perf_counter, time


class Context:
    """One invocation as the handler sees it.

    Args:
        request_id: Identifier of the invocation.
        memory_mib: Provisioned memory; None where the platform does not say.
        timeout_s: Time-out; None where the platform does not say.
        deadline_s: Unix time at which the invocation is ended; None where the platform does not say.
    """

    def __init__(self, request_id, memory_mib, timeout_s, deadline_s):
        self.request_id = request_id
        self.memory_mib = memory_mib
        self.timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._storage = None
        self._table = None
        self.samples = {}

    def remaining_s(self):
        """Return the seconds left until the time-out, never below 0; None where there is no deadline."""
        return None if self._deadline_s is None else max(0.0, self._deadline_s - time())

    def phase(self, name):
        """Return a context manager that times a part of the work; times under one name add up."""
        return Phase(self.samples, "phase.%s_s" % name)

    @property
    def storage(self):
        """Object storage of the platform: `download`, `upload`, `download_file`, `upload_file`."""
        if self._storage is None:
            self._storage = CountingStorage(_from_wrapper("storage"), self.samples)
        return self._storage

    @property
    def table(self):
        """Key-value table of the platform: `put`, `get`, `query`, `delete`."""
        if self._table is None:
            self._table = _from_wrapper("table")
        return self._table


class Phase:
    """Adds the time between entry and exit to one sample."""

    __slots__ = ("_key", "_samples", "_started")

    def __init__(self, samples, key):
        self._samples = samples
        self._key = key

    def __enter__(self):
        self._started = perf_counter()
        return self

    def __exit__(self, *_exc):
        self._samples[self._key] = self._samples.get(self._key, 0.0) + perf_counter() - self._started


class CountingStorage:
    """The platform's storage client; bytes that pass through it become samples."""

    def __init__(self, client, samples):
        self._client = client
        self._samples = samples

    def download(self, key):
        """Return an object as bytes."""
        data = self._client.download(key)
        self._count("function.downloaded_bytes", len(data))
        return data

    def upload(self, key, data):
        """Write bytes as an object, replacing one of that key."""
        self._client.upload(key, data)
        self._count("function.uploaded_bytes", len(data))

    def download_file(self, key, path):
        """Write an object to a local file."""
        self._client.download_file(key, path)
        self._count("function.downloaded_bytes", _file_bytes(path))

    def upload_file(self, key, path):
        """Write a local file as an object, replacing one of that key."""
        self._client.upload_file(key, path)
        self._count("function.uploaded_bytes", _file_bytes(path))

    def _count(self, key, count):
        self._samples[key] = self._samples.get(key, 0) + count


_clients = {}


def _from_wrapper(name):
    """Return the platform's client, made at its first use and kept as long as the sandbox."""
    if name not in _clients:
        try:
            import sebsx_wrapper
        except ModuleNotFoundError as exc:
            if exc.name != "sebsx_wrapper":
                raise
            raise RuntimeError("context.%s is not available: this platform ships no sebsx_wrapper" % name) from None
        _clients[name] = getattr(sebsx_wrapper, name)()
    return _clients[name]


def _file_bytes(path):
    import os

    return os.stat(path).st_size
