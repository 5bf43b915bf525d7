"""What goes wrong in a subscription on purpose, in Azure's words."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field


@dataclass
class Fault:
    """An error that requests get.

    Args:
        method: HTTP method of the requests it is for.
        path: Pattern that their path matches from its beginning.
        status: HTTP status; 0 cuts the connection after a part of the body was read.
        code: Azure's name of the error.
        message: Azure's words.
        times: How many requests get it; None for all.
        after: How many are let through first.
        headers: Sent with the error.
        raw: Sent in place of the error.
    """

    method: str
    path: str
    status: int
    code: str = ""
    message: str = "as the test wants it"
    times: int | None = 1
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    seen: int = 0
    given: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def takes(self, method: str, path: str) -> bool:
        """Tell whether a request gets it, and count that."""
        if method != self.method or not re.match(self.path, path, re.IGNORECASE):
            return False
        with self._lock:
            self.seen += 1
            if self.seen <= self.after or (self.times is not None and self.given >= self.times):
                return False
            self.given += 1
            return True

    @property
    def body(self) -> bytes:
        """The error as Resource Manager tells it."""
        return self.raw or error(self.code, self.message)


def error(code: str, message: str) -> bytes:
    """Return an error as Resource Manager tells it."""
    return json.dumps({"error": {"code": code, "message": message}}).encode()
