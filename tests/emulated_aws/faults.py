"""What goes wrong in an account on purpose: answers instead of, and delays before, what would have happened."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Fault:
    """An error that requests get.

    Args:
        method: HTTP method of the requests it is for.
        path: Pattern that their path matches from its beginning.
        code: HTTP status.
        error: AWS's name of the error.
        message: AWS's words.
        times: How many requests get it; None for all.
        after: How many are let through first.
        target: Word in `X-Amz-Target` or the body, for services with one path.
        headers: Further headers of the answer.
    """

    method: str
    path: str
    code: int
    error: str
    message: str = "as the test wants it"
    times: int | None = 1
    after: int = 0
    target: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    seen: int = 0
    given: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def takes(self, method: str, path: str, words: str) -> bool:
        """Tell whether a request gets it, and count that."""
        if method != self.method or not re.match(self.path, path) or self.target not in words:
            return False
        with self._lock:
            self.seen += 1
            if self.seen <= self.after or (self.times is not None and self.given >= self.times):
                return False
            self.given += 1
            return True

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body as AWS's JSON services give them."""
        body = json.dumps({"__type": self.error, "message": self.message, "Message": self.message, "Type": "User"})
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": self.error, **self.headers}
        return self.code, headers, body.encode()
