"""Reads the answers of servers that may send anything: no more than so many bytes, and no slower than worth waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.errors import PlatformError
from sebsx.model.untrusted import ANSWER_BYTES, MIB
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Mapping

_PIECE_BYTES = 64 * 1024
# Once a body has taken as long as its answer was waited for, at least so much of it must have come on average.
_LEAST_BYTES_S = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAnswer:
    """An answer that was read whole.

    Args:
        status_code: HTTP status.
        headers: By names in any case.
        content: Body, decompressed.
        is_redirect: Whether it sends on to another place.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    is_redirect: bool = False

    @property
    def ok(self) -> bool:
        """Whether it says that what was asked for is done."""
        return 200 <= self.status_code < 300

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.content.decode("utf-8", "replace")


def read(answer: Any, *, within_s: float, most_bytes: int = ANSWER_BYTES) -> ReadAnswer:
    """Read an answer of `requests` that was asked for with `stream=True`, and close it.

    Args:
        answer: The answer.
        within_s: How long its body may take, however small it is, in seconds.
        most_bytes: The most that is read of it, decompressed.

    Raises:
        PlatformError: If it is larger, or comes slower than a body of any use.
    """
    pieces, got_bytes, began_s = [], 0, time.monotonic()
    with answer:
        host = answer.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        while piece := _next(answer.raw):
            pieces.append(piece)
            got_bytes += len(piece)
            took_s = time.monotonic() - began_s
            if got_bytes > most_bytes:
                raise PlatformError(
                    f"the answer of {host} is larger than {most_bytes // MIB} MiB; is it the right address?"
                )
            if took_s > within_s and got_bytes < took_s * _LEAST_BYTES_S:
                raise PlatformError(
                    f"the answer of {host} did not end within {within_s:g} s, after {got_bytes} bytes; is it the right "
                    "address?"
                )
    return ReadAnswer(
        status_code=answer.status_code, headers=answer.headers, content=b"".join(pieces), is_redirect=answer.is_redirect
    )


def _next(raw: Any) -> bytes:
    """Return what has come of a body, however little that is; nothing at its end. Raises what `requests` does."""
    errors, told = require("urllib3.exceptions", extra=""), require("requests.exceptions", extra="")
    try:
        return bytes(raw.read1(_PIECE_BYTES, decode_content=True))
    except errors.ReadTimeoutError as exc:
        raise told.ReadTimeout(exc) from exc
    except errors.HTTPError as exc:
        raise told.ChunkedEncodingError(exc) from exc
