"""Asynchronous calls: the gateway queues them, and sends their results to a URL of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.clouds.callbacks import CallbackHeaders
from sebsx.contracts.senders import Arrives, Done, Exchange, HttpRequest, Inbox

if TYPE_CHECKING:
    from sebsx.contracts.senders import HttpAnswer

CALL_ID = "x-call-id"
HEADERS = CallbackHeaders(
    id=CALL_ID, status="x-function-status",
    kept=("x-duration-seconds", "x-start-time", "x-openfaas-internal", "content-type"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncExchange(Exchange):
    """A call that the gateway queues, and whose result it sends to the sink."""

    url: str
    callback: str
    results: Inbox

    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        """Return the submission."""
        return HttpRequest(url=self.url, headers={"X-Callback-Url": self.callback}, body=payload)

    def inbox(self) -> Inbox:
        """Return the sink."""
        return self.results

    def poll(self, answer: HttpAnswer) -> Arrives | Done:
        """Return under which id the gateway accepted it; one that names none was not accepted."""
        if key := answer.headers.get(CALL_ID):
            return Arrives(key=key)
        return Done(status=answer.status, headers=answer.headers, body=answer.body)
