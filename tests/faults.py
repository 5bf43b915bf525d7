"""What goes wrong in a stand-in for a provider on purpose, in whose words the stand-in knows."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """An error that requests get.

    Args:
        method: HTTP method of the requests it is for.
        path: Pattern that their path matches from its beginning, in letters of either case.
        status: HTTP status; 0 cuts the connection after a part of the body was read.
        code: The provider's name of the error.
        message: The provider's words.
        times: How many requests get it; None for all.
        after: How many are let through first.
        target: Word that the stand-in is told beside the path, for services with one path.
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
    target: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""
    seen: int = 0
    given: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def takes(self, method: str, path: str, words: str = "") -> bool:
        """Tell whether a request gets it, and count that."""
        if method != self.method or not re.match(self.path, path, re.IGNORECASE) or self.target not in words:
            return False
        with self._lock:
            self.seen += 1
            if self.seen <= self.after or (self.times is not None and self.given >= self.times):
                return False
            self.given += 1
            return True
