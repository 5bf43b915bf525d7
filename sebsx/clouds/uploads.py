"""A file sent to a URL: again, whole, while the connection breaks or the server is busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.clouds.answers import ReadAnswer, read
from sebsx.clouds.waiting import settled
from sebsx.model.untrusted import MIB
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WITHIN_S = 120.0
"""How long a file is sent again."""
_ANSWER_S = 300.0
_BUSY = frozenset({429, 500, 502, 503, 504})
_SHOWN_CHARACTERS = 300


class _TakesNoFileError(Exception):
    """The server does not take it now."""


def send_file(
    what: str,
    method: str,
    url: str,
    path: Path,
    *,
    extra: str,
    headers: Mapping[str, str],
    trusted: bool | str = True,
    busy: frozenset[int] = _BUSY,
    within_s: float = WITHIN_S,
    clean: Callable[[str], str] = str,
) -> ReadAnswer:
    """Return the answer to a file, whatever its status; only for what is harmless to send twice.

    Args:
        what: What is being done, for messages.
        method: HTTP method.
        url: Where it is sent.
        path: The file.
        extra: Extra of the distribution that brings `requests`.
        headers: Sent with it.
        trusted: File with the certificates of who is trusted; True for whom this machine trusts.
        busy: Statuses for which it is sent again.
        within_s: Time after which that ends.
        clean: Makes the provider's words fit to be shown.

    Raises:
        DeployError: If nobody took it in that time.
    """
    requests = require("requests", extra=extra)

    def send() -> ReadAnswer:
        with path.open("rb") as file:
            sent = requests.request(
                method, url, data=file, headers=headers, verify=trusted, timeout=_ANSWER_S, allow_redirects=False,
                stream=True,
            )  # fmt: skip
            answer = read(sent, within_s=_ANSWER_S, most_bytes=MIB)
        if answer.status_code in busy:
            raise _TakesNoFileError(f"HTTP {answer.status_code}: {answer.text[:_SHOWN_CHARACTERS]}")
        return answer

    passes = (_TakesNoFileError, requests.exceptions.ConnectionError, requests.exceptions.Timeout)
    return settled(send, lambda exc: isinstance(exc, passes), what, within_s=within_s, clean=clean)
