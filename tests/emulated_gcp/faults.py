"""What goes wrong in a project on purpose, in Google's words."""

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
        code: HTTP status; 0 cuts the connection after a part of the body was read.
        status: Google's name of the error.
        message: Google's words.
        times: How many requests get it; None for all.
        after: How many are let through first.
    """

    method: str
    path: str
    code: int
    status: str = ""
    message: str = "as the test wants it"
    times: int | None = 1
    after: int = 0
    seen: int = 0
    given: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def takes(self, method: str, path: str) -> bool:
        """Tell whether a request gets it, and count that."""
        if method != self.method or not re.match(self.path, path):
            return False
        with self._lock:
            self.seen += 1
            if self.seen <= self.after or (self.times is not None and self.given >= self.times):
                return False
            self.given += 1
            return True

    @property
    def body(self) -> bytes:
        """The error as Google's APIs tell it."""
        return error(self.code, self.status, self.message)


def error(code: int, status: str, message: str) -> bytes:
    """Return an error as Google's APIs tell it."""
    return json.dumps({"error": {"code": code, "message": message, "status": status}}).encode()
