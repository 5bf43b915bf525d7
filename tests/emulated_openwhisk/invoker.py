"""Places activations on containers, and records what OpenWhisk's invoker would."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.emulated_openwhisk.containers import Container, ContainerEndedError, OutOfTimeError
from tests.laws import Law

SUCCESS, APPLICATION, DEVELOPER = "success", "application error", "action developer error"
CODES = {SUCCESS: 0, APPLICATION: 1, DEVELOPER: 2}
_DIED = "The action did not produce a valid response and exited unexpectedly."
_RESULT_BYTES = 1024 * 1024


@dataclass
class Activation:
    """One activation; `record` is there when it is over."""

    id: str
    arrived_s: float
    over: threading.Event = field(default_factory=threading.Event)
    record: dict[str, Any] | None = None
    visible_s: float = 0.0


class Invoker:
    """Containers by action and revision: an idle one is used again, else a new one is started.

    Args:
        folder: Where containers live.

    Attributes:
        record_delay_s: How late records come.
    """

    def __init__(self, folder: Path) -> None:
        self.record_delay_s = 0.05
        self.concurrent, self.per_minute = 100, 100_000
        self.activations: dict[str, Activation] = {}
        self._folder = folder
        self._lock = threading.Lock()
        self._idle: dict[str, list[Container]] = defaultdict(list)  # by action
        self._in_flight = 0
        self._recent: deque[float] = deque()
        self._closed = False

    def throttled(self) -> str | None:
        """Return why an activation is refused; None where it is taken."""
        now_s = time.monotonic()
        with self._lock:
            while self._recent and self._recent[0] < now_s - 60:
                self._recent.popleft()
            if self._in_flight >= self.concurrent:
                counted = f"(count: {self._in_flight + 1}, allowed: {self.concurrent})"
                return f"Too many concurrent requests in flight {counted}."
            if len(self._recent) >= self.per_minute:
                count = len(self._recent) + 1
                return f"Too many requests in the last minute (count: {count}, allowed: {self.per_minute})."
            self._recent.append(now_s)
            self._in_flight += 1
        return None

    def begin(self, action: dict[str, Any], value: Any, law: Law) -> Activation:
        """Begin an activation, in a thread of its own."""
        activation = Activation(secrets.token_hex(16), time.time())
        self.activations[activation.id] = activation
        threading.Thread(target=self._work, args=(action, value, activation, law), daemon=True).start()
        return activation

    def record(self, activation_id: str) -> dict[str, Any] | None:
        """Return a record; None while it is late."""
        found = self.activations.get(activation_id)
        return found.record if found is not None and found.record and time.time() >= found.visible_s else None

    def forget(self, name: str) -> None:
        """End the idle containers of an action."""
        with self._lock:
            ended = self._idle.pop(name, [])
        for container in ended:
            container.end()

    def close(self) -> None:
        """End every container."""
        self._closed = True
        for name in list(self._idle):
            self.forget(name)

    def _work(self, action: dict[str, Any], value: Any, activation: Activation, law: Law) -> None:
        container, init_s, began_s = None, None, time.time()
        timeout_s, outcome = action["limits"]["timeout"] / 1000, (DEVELOPER, {"error": _DIED})
        timed_out, reusable = False, False
        try:
            container = self._take(action, law)
            if container is None:
                container = Container(action, self._folder)
                container.busy = 1
                began_s = time.time()
                status, answer = container.initialise(action)
                init_s = time.time() - began_s
                if status != 200:
                    text = answer.get("error", "") if isinstance(answer, dict) else ""
                    outcome = (DEVELOPER, {"error": f"The action failed during initialization: {text}"})
                    return
            else:
                began_s = time.time()
            status, answer = container.run(value, activation.id, timeout_s)
            if status == 200:
                failed = isinstance(answer, dict) and "error" in answer
                outcome, reusable = (APPLICATION if failed else SUCCESS, answer), True
        except OutOfTimeError:
            timed_out = True
            text = f"The action exceeded its time limits of {timeout_s * 1000:.0f} milliseconds."
            outcome = (DEVELOPER, {"error": text})
        except ContainerEndedError:
            pass
        finally:
            ended_s = time.time()
            activation.record = _record(action, activation, began_s, ended_s, init_s, outcome, timed_out)
            activation.visible_s = ended_s + self.record_delay_s
            if container is not None:
                self._give_back(action["name"], container, reusable=reusable)
            with self._lock:
                self._in_flight -= 1
            activation.over.set()

    def _take(self, action: dict[str, Any], law: Law) -> Container | None:
        most = action["limits"].get("concurrency", 1)
        old: list[Container] = []
        try:
            with self._lock:
                kept = []
                found = None
                for container in self._idle[action["name"]]:
                    gone = container.revision != action["revision"] or law.ends(container.idle_since_s)
                    if gone:
                        (kept if container.busy else old).append(container)
                    elif found is None and container.busy < most:
                        found = container
                        kept.append(container)
                    else:
                        kept.append(container)
                if found is not None:
                    found.busy += 1
                    if found.busy >= most and most == 1:
                        kept.remove(found)
                self._idle[action["name"]] = kept
                return found
        finally:
            for container in old:
                container.end()

    def _give_back(self, name: str, container: Container, *, reusable: bool) -> None:
        with self._lock:
            container.busy -= 1
            container.idle_since_s = time.monotonic()
            idle = self._idle[name]
            if reusable and not self._closed:
                if container not in idle:
                    idle.append(container)
                return
            if container in idle:
                idle.remove(container)
        container.end()


def _record(
    action: dict[str, Any], activation: Activation, began_s: float, ended_s: float, init_s: float | None,
    outcome: tuple[str, Any], timed_out: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return the record, as the API gives it: times in ms, `duration` with the initialisation in it."""
    status, result = outcome
    size = len(str(result))
    if size > _RESULT_BYTES:
        status = APPLICATION
        result = {
            "error": f"The action produced a response that exceeded the allowed length: {size} > {_RESULT_BYTES} bytes."
        }
    annotations = [
        {"key": "path", "value": f"guest/{action['name']}"},
        {"key": "waitTime", "value": max(0, round((began_s - activation.arrived_s) * 1000))},
        {"key": "kind", "value": action["exec"]["kind"]},
        {"key": "timeout", "value": timed_out},
        {"key": "limits", "value": dict(action["limits"])},
    ]
    if init_s is not None:
        annotations.append({"key": "initTime", "value": int(init_s * 1000)})
    return {
        "namespace": "guest",
        "name": action["name"],
        "version": action["version"],
        "publish": False,
        "subject": "guest",
        "activationId": activation.id,
        "start": int(began_s * 1000),
        "end": int(ended_s * 1000),
        "duration": int((ended_s - began_s) * 1000),
        "response": {"status": status, "success": status == SUCCESS, "result": result, "size": size},
        "logs": [],
        "annotations": annotations,
    }
