"""What a handler is given as its second argument, and what collectors are told of the call."""

from _thread import allocate_lock
from os import environ
from time import perf_counter, time


class Call:
    """One call of the handler, as collectors are handed it.

    Attributes:
        number: Its number in this sandbox, counted from 1 as calls begin.
        concurrent: The most other calls that this process served at the same time, so far. 0 when the call ends says
            that it had the process to itself, and only then are process-wide figures its own.
        marks: None; a collector that wants the phases sets a list: (name, True at entry, perf_counter()).
    """

    __slots__ = ("concurrent", "marks", "number")

    def __init__(self, number=1):
        self.number = number
        self.concurrent = 0
        self.marks = None


# Names of AWS's context that its runtime reads from the environment as well.
AWS_VARIABLES = {
    "function_name": "AWS_LAMBDA_FUNCTION_NAME",
    "function_version": "AWS_LAMBDA_FUNCTION_VERSION",
    "memory_limit_in_mb": "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "log_group_name": "AWS_LAMBDA_LOG_GROUP_NAME",
    "log_stream_name": "AWS_LAMBDA_LOG_STREAM_NAME",
    "invoked_function_arn": "SEBSX_FUNCTION_ARN",
    "client_context": "",
    "identity": "",
    "tenant_id": "",
}


class Context:
    """One invocation as the handler sees it.

    It has the names of AWS Lambda's context, too, so that a function written for Lambda runs unchanged.

    Args:
        request_id: Identifier of the invocation.
        memory_mib: Provisioned memory; None where the platform does not say.
        timeout_s: Time-out; None where the platform does not say.
        deadline_s: Unix time at which the invocation is ended; None where the platform does not say.
        call: The call that this is the context of.
        provider: Context of the provider's own runtime, whose further names are available here.
    """

    def __init__(self, request_id, memory_mib, timeout_s, deadline_s, call, provider=None):
        self.request_id = self.aws_request_id = request_id
        self.memory_mib = memory_mib
        self.timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._call = call
        self._provider = provider
        self._storage = None
        self._table = None
        self.samples = {}

    def __getattr__(self, name):
        """Return what the provider's context has under this name, or AWS's would have."""
        if name[:1] != "_" and self._provider is not None:
            return getattr(self._provider, name)
        if name not in AWS_VARIABLES:
            raise AttributeError("the context has no %r" % (name,))
        return environ.get(AWS_VARIABLES[name])

    def remaining_s(self):
        """Return the seconds left until the time-out, never below 0; None where there is no deadline."""
        return None if self._deadline_s is None else max(0.0, self._deadline_s - time())

    def get_remaining_time_in_millis(self):
        """Return the milliseconds left, as AWS's context does; None where there is no deadline."""
        left_s = self.remaining_s()
        return None if left_s is None else int(left_s * 1000)

    def phase(self, name):
        """Return a context manager that times a part of the work; times under one name add up."""
        return Phase(self.samples, "phase.%s_s" % name, self._call)

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

    __slots__ = ("_call", "_key", "_samples", "_started")

    def __init__(self, samples, key, call):
        self._samples = samples
        self._key = key
        self._call = call

    def __enter__(self):
        self._started = perf_counter()
        marks = self._call.marks
        if marks is not None:
            marks.append((self._key[6:-2], True, self._started))
        return self

    def __exit__(self, *_exc):
        ended = perf_counter()
        self._samples[self._key] = self._samples.get(self._key, 0.0) + ended - self._started
        marks = self._call.marks
        if marks is not None:
            marks.append((self._key[6:-2], False, ended))


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
_making = allocate_lock()


def _from_wrapper(name):
    """Return the platform's client, made at its first use and kept as long as the sandbox; calls share it."""
    if name in _clients:
        return _clients[name]
    with _making:
        if name not in _clients:
            _clients[name] = _made(name)
    return _clients[name]


def _made(name):
    try:
        import sebsx_wrapper
    except ModuleNotFoundError as exc:
        if exc.name != "sebsx_wrapper":
            raise
        raise RuntimeError("context.%s is not available: this platform ships no sebsx_wrapper" % name) from None
    return getattr(sebsx_wrapper, name)()


def _file_bytes(path):
    import os

    return os.stat(path).st_size
