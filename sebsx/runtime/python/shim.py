"""Wraps a handler: measures around it and turns whatever it does into an envelope.

    shim = Shim(package_root)
    shim.load()                                  # raises LoadError, whose `text` is an envelope
    answer = shim.invoke(event, request_id)      # never raises

A host that serves several calls at once in this process calls `invoke` from as many threads.

Only cheap modules are imported here: all of this is part of every cold start.
"""

import sys
import time
from _thread import allocate_lock
from os import environ, urandom
from time import perf_counter

from sebsx_runtime import turns
from sebsx_runtime.context import Call, Context
from sebsx_runtime.fastjson import dumps, loads

ENVELOPE_VERSION = 1
# What every envelope has: to the resolution of the clocks, and written in a third of the time that an encoder takes.
TIMES = '"v":%d,"sandbox":"%s","call":%d,"started_s":%.7f,"finished_s":%.7f,"duration_s":%.9f'
CLOCK_STEP_S = 0.005  # a smaller one changes nothing that is told by wall clocks
CLOCK_READ_S = 0.001
TRACEBACK_CHARACTERS = 8192
MESSAGE_CHARACTERS = 4096
NOT_JSON = "Sebsx.OutputNotJson"
NO_HANDLER = "Sebsx.HandlerNotFound"


class HandlerAnswer:
    """What one invocation came to: the envelope as JSON text, and the type of its error or None."""

    __slots__ = ("error_type", "text")

    def __init__(self, text, error_type):
        self.text = text
        self.error_type = error_type


class LoadError(Exception):
    """The function could not be loaded; `text` is the envelope that says why."""

    def __init__(self, text, error_type):
        super().__init__(error_type)
        self.text = text
        self.error_type = error_type


class HandlerNotFound(Exception):  # noqa: N818  # its name is what users read in results
    """The module has no such function."""


def _wall_ahead_s():
    """Return wall time minus a clock that nobody sets and that goes on while the machine sleeps.

    None where this process lost the processor between the readings. NTP slews both alike, so that only steps differ.
    """
    before_s = _steady_s()
    wall_s = time.time()
    after_s = _steady_s()
    return wall_s - before_s if after_s - before_s < CLOCK_READ_S else None


def _steady_s():
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):  # not Linux
        return time.monotonic()


class Shim:
    """The function of one sandbox; its methods may be called from several threads at once.

    Args:
        root: Folder of the unpacked package; it must be on `sys.path`.
    """

    def __init__(self, root):
        self.root = root
        self.sandbox = environ.get("SEBSX_SANDBOX_ID") or urandom(16).hex()
        self.boot_s = _boot_s()
        self.import_s = None
        self.calls = 0
        self.ready = None  # perf_counter() at which the initialisation was over
        self._handler = None
        self._failure = None
        self._wall_ahead_s = _wall_ahead_s()
        self._roughly_ahead_s = time.time() - perf_counter()
        self._lock = allocate_lock()
        self._loading = allocate_lock()
        self._in_hand = set()
        self._collectors = []
        self._absent = {}
        self._memory_mib = _number("SEBSX_MEMORY_MIB", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", int)
        self._timeout_s = _number("SEBSX_TIMEOUT_S", "", float)

    def load(self):
        """Import the function and the collectors named by the manifest, once: later callers wait for the first.

        Raises:
            LoadError: If there is no handler.
        """
        with self._loading:
            if self._failure is not None:
                raise LoadError(*self._failure)
            if self.ready is None:
                try:
                    self._load()
                except LoadError as exc:
                    self._failure = (exc.text, exc.error_type)
                    raise
                self.ready = perf_counter()

    def _load(self):
        started = perf_counter()
        try:
            with open(self.root + "/sebsx.json", "rb") as file:
                manifest = loads(file.read())
            module, _, name = manifest["handler"].rpartition(".")
            self._handler = getattr(_import(module.replace("/", ".")), name, None)  # as AWS's own client reads it
            if not callable(self._handler):
                raise HandlerNotFound("module %r has no function %r" % (module, name))
        except BaseException as exc:
            error_type, error = _error(exc, self.root)
            if isinstance(exc, HandlerNotFound):
                error_type = error["type"] = NO_HANDLER
            raise LoadError('{"sebsx":%s,"error":%s}' % (self._identity(), dumps(error)), error_type) from None
        self.import_s = perf_counter() - started
        for collector in manifest.get("collectors", ()):
            self._load_collector(collector)

    def invoke(self, event, request_id, deadline_s=None, provider=None):
        """Call the handler between the collectors; never raises.

        Args:
            event: The decoded event.
            request_id: Identifier of the invocation.
            deadline_s: Unix time at which the platform ends the invocation, if known.
            provider: Context of the provider's own runtime, if there is one.
        """
        call = self._enter()
        context = Context(request_id, self._memory_mib, self._timeout_s, deadline_s, call, provider)
        failure = output = None
        states = self._begin(call)
        had = turns.read()
        started_s = time.time()
        started = perf_counter()
        try:
            output = self._handler(event, context)
        except BaseException as exc:  # SystemExit and KeyboardInterrupt of a function are its errors too
            duration_s = perf_counter() - started
            failure = exc
        else:
            duration_s = perf_counter() - started
        finished_s = time.time()
        got = turns.between(had)
        samples = self._end(states, context.samples, call)
        self._leave(call)
        if not call.concurrent:  # else they are those of all calls together
            samples.update(got)
        if failure is None:
            try:
                tail = '"output":' + dumps(output)
                error_type = None
            except BaseException as exc:  # RecursionError and MemoryError as well as what JSON cannot say
                failure = exc
                error_type = "MemoryError" if isinstance(exc, MemoryError) else NOT_JSON
                error = {"type": error_type, "message": _message(exc), "traceback": ""}
                tail = '"error":' + dumps(error)
        else:
            error_type, error = _error(failure, self.root)
            tail = '"error":' + dumps(error)
        failure = output = None  # a traceback holds the frames and all they hold
        times = TIMES % (ENVELOPE_VERSION, self.sandbox, call.number, started_s, finished_s, duration_s)
        sebsx = {"samples": samples}
        if call.concurrent:
            sebsx["concurrent"] = call.concurrent
        if step_s := self._clock_step_s(finished_s - started - duration_s):
            sebsx["clock_step_s"] = step_s
        if call.number == 1:
            self._add_first_call(sebsx)
        if self.ready is not None:
            sebsx["age_s"] = perf_counter() - self.ready
        return HandlerAnswer('{"sebsx":{%s,%s,%s}' % (times, self._measured(sebsx)[1:], tail), error_type)

    def _clock_step_s(self, roughly_ahead_s):
        """Return by how much the wall clock was set since it was looked at closely last; 0 if it was not.

        Args:
            roughly_ahead_s: Wall time minus perf_counter(), not read at once: where it has not changed, none was set.
        """
        if abs(roughly_ahead_s - self._roughly_ahead_s) <= CLOCK_STEP_S:
            return 0.0
        self._roughly_ahead_s = roughly_ahead_s
        ahead_s, before_s = _wall_ahead_s(), self._wall_ahead_s
        if ahead_s is None:
            return 0.0
        self._wall_ahead_s = ahead_s
        step_s = 0.0 if before_s is None else ahead_s - before_s
        return step_s if abs(step_s) > CLOCK_STEP_S else 0.0

    def _enter(self):
        """Number a call, and tell it and those in hand of each other."""
        with self._lock:
            self.calls += 1
            call = Call(self.calls)
            others = len(self._in_hand)
            if others:
                call.concurrent = others
                for other in self._in_hand:
                    if other.concurrent < others:
                        other.concurrent = others
            self._in_hand.add(call)
        return call

    def _leave(self, call):
        with self._lock:
            self._in_hand.discard(call)

    def _identity(self):
        sebsx = {"v": ENVELOPE_VERSION, "sandbox": self.sandbox, "call": 0}
        if self.boot_s is not None:
            sebsx["boot_s"] = self.boot_s
        return dumps(sebsx)

    def _add_first_call(self, sebsx):
        from sebsx_runtime.facts import facts

        if self.boot_s is not None:
            sebsx["boot_s"] = self.boot_s
        sebsx["import_s"] = self.import_s
        sebsx["facts"] = found = facts()
        for name, module in self._collectors:
            if hasattr(module, "facts"):
                try:
                    found.update(module.facts())
                except Exception as exc:
                    self._absent[name] = _message(exc)
        if self._absent:
            found["collectors_absent"] = dict(self._absent)

    def _measured(self, sebsx):
        """Return the measured part as JSON; a sample or fact that JSON cannot say is left out and named."""
        try:
            return dumps(sebsx)
        except (TypeError, ValueError):
            for part in ("samples", "facts"):
                sebsx[part] = {key: value for key, value in sebsx.get(part, {}).items() if _is_json(value)}
            return dumps(sebsx)

    def _load_collector(self, name):
        try:
            module = _import("sebsx_collectors." + name.replace("-", "_"))
            module.begin, module.end  # noqa: B018  # a module without them is absent from the start
            self._collectors.append((name, module))
        except Exception as exc:
            self._absent[name] = _message(exc)

    def _begin(self, call):
        """Start the collectors in order; the last is nearest to the handler."""
        states = []
        for entry in self._collectors:
            try:
                states.append((entry, entry[1].begin(call)))
            except Exception as exc:
                self._absent[entry[0]] = _message(exc)
        return states

    def _end(self, states, samples, call):
        """End the collectors in reverse order and return their samples and the context's."""
        for entry, state in reversed(states):
            try:
                samples.update(entry[1].end(state, call))
            except Exception as exc:
                self._absent[entry[0]] = _message(exc)
        return samples


def loaded(root):
    """Return a shim with the function loaded, and the envelope of why it could not be; None where it could.

    For hosts that go on all the same, and answer every call with that envelope.
    """
    shim = Shim(root)
    try:
        shim.load()
    except LoadError as exc:
        return shim, exc.text
    return shim, None


def _import(name):
    __import__(name)
    return sys.modules[name]


def _is_json(value):
    try:
        dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _message(exc):
    """Return `Type: message`, whatever the exception's own `__str__` does."""
    try:
        text = str(exc)
    except Exception:
        text = "(its message cannot be read)"
    return "%s: %s" % (type(exc).__name__, text[:MESSAGE_CHARACTERS])


def _error(exc, root):
    """Return the name of an exception and its description as data: user frames only, bounded."""
    import traceback

    name = type(exc).__name__
    message = _message(exc)[len(name) + 2 :]
    try:
        frames = [frame for frame in traceback.extract_tb(exc.__traceback__) if _is_users(frame.filename)]
        if isinstance(exc, SyntaxError):
            text = "".join(traceback.format_exception_only(type(exc), exc))
        else:
            text = "".join(traceback.format_list(frames)) + "%s: %s\n" % (name, message)
    except Exception:  # out of memory or stack: the type and the message are what counts
        text = ""
    if len(text) > TRACEBACK_CHARACTERS:
        half = TRACEBACK_CHARACTERS // 2
        text = text[:half] + "\n... (shortened)\n" + text[-half:]
    return name, {"type": name, "message": message, "traceback": text.replace(root + "/", "")}


def _is_users(filename):
    return "sebsx_runtime/" not in filename and not filename.startswith("<frozen importlib")


def _number(name, other, kind):
    try:
        return kind(environ.get(name) or environ[other])
    except (KeyError, ValueError):
        return None


def _boot_s():
    """Return the seconds from process start to now, or None where the system does not say.

    A launcher on this host gives the start as CLOCK_MONOTONIC in SEBSX_STARTED_S, exact; without it the
    kernel's start time of the process serves, in ticks of 10 ms.
    """
    try:
        given = environ.get("SEBSX_STARTED_S")
        if given:
            elapsed = time.clock_gettime(time.CLOCK_MONOTONIC) - float(given)
        else:
            from os import sysconf

            with open("/proc/self/stat", "rb") as file:
                ticks = int(file.read().rpartition(b")")[2].split()[19])
            elapsed = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError, IndexError):
        return None
    return elapsed if elapsed >= 0 else None
