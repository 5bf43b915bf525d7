"""Exchanges that several platforms share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from sebsx.contracts.senders import EVERY_S, Ask, Done, Exchange, HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_ACCEPTED = 202
_ELSEWHERE = (302, 303)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationExchange(Exchange):
    """A call that is answered by 202 and a place to ask at: `Location`, and `Retry-After` where the server wants it.

    So answer Azure's Durable Functions and long-running operations, and whatever follows RFC 9110, section 15.3.3. The
    place is asked by GET until it answers with anything but 202. 302 and 303 lead to the result.

    Args:
        url: Where calls are submitted.
        method: HTTP method of that.
        headers: Sent with the submission, and with questions to the same server; never to another.
        every_s: Time between two questions, whatever the server wants; None for its `Retry-After`, or 0.1 s.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    every_s: float | None = None

    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        """Return the submission."""
        return HttpRequest(url=self.url, method=self.method, headers=self.headers, body=payload)

    def poll(self, answer: HttpAnswer) -> Ask | Done:
        """Ask at the place that was named, until the answer is another one than 202."""
        place = answer.headers.get("location")
        if answer.status in _ELSEWHERE and place is not None:
            return Ask(request=self._at(answer.request.url, place), after_s=0.0)
        if answer.status != _ACCEPTED or (place is None and not answer.polls):
            return Done(status=answer.status, headers=answer.headers, body=answer.body)
        question = answer.request if place is None else self._at(answer.request.url, place)
        return Ask(request=question, after_s=self._pause_s(answer.headers.get("retry-after", "")))

    def _at(self, base: str, place: str) -> HttpRequest:
        url = urljoin(base, place)
        same = urlsplit(url)[:2] == urlsplit(self.url)[:2]
        return HttpRequest(url=url, method="GET", headers=self.headers if same else {})

    def _pause_s(self, wanted: str) -> float:
        if self.every_s is not None:
            return self.every_s
        return float(wanted) if wanted.isascii() and wanted.isdigit() else EVERY_S
