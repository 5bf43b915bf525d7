"""How functions are called: by Invoke, by a URL of their own, or by an event whose result arrives in a queue."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from sebsx.contracts.senders import Arrives, Delivery, Done, Exchange, HttpRequest, Inbox
from sebsx.model.untrusted import UntrustedJsonError, parse_json
from sebsx_aws.errors import ERRORS
from sebsx_aws.signing import signed_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.contracts.senders import HttpAnswer
    from sebsx_aws.clients import Clients
    from sebsx_aws.functions import Functions

logger = logging.getLogger(__name__)

SDK, URL, ASYNC = TRIGGERS = ("sdk", "url", "async")
ERROR_HEADER = "x-amz-function-error"
REQUEST_HEADER = "x-amzn-requestid"
# By the API reference of Invoke; `Tail` brings the record along with the answer.
_HEADERS = {SDK: {"X-Amz-Log-Type": "Tail"}, URL: {}, ASYNC: {"X-Amz-Invocation-Type": "Event"}}
# What a question finds is hidden for so long, unless it is deleted: one whose asker is gone must not keep results.
_HELD_S, _HIDDEN_S = 2, 10


def invoke_url(clients: Clients, name: str, qualifier: Mapping[str, str]) -> str:
    """Return where Lambda takes invocations of a function."""
    suffix = f"?Qualifier={quote(qualifier['Qualifier'], safe='')}" if qualifier else ""
    return f"{clients.functions.meta.endpoint_url}/2015-03-31/functions/{name}/invocations{suffix}"


def endpoint_for(
    trigger: str, clients: Clients, functions: Functions, queue: Callable[[], str], name: str,
    qualifier: Mapping[str, str],
) -> str:  # fmt: skip
    """Make what a trigger takes beside the function, and return where invocations are sent."""
    if trigger == URL:
        with ERRORS.explained(f"create of a URL for {name!r}"):
            told = clients.functions.create_function_url_config(FunctionName=name, AuthType="AWS_IAM", **qualifier)
            return str(told["FunctionUrl"])
    if trigger == ASYNC:
        wanted = {"QueueUrl": queue(), "AttributeNames": ["QueueArn"]}
        with ERRORS.explained(f"read of the queue for results of {name!r}"):
            arn = clients.sqs.get_queue_attributes(**wanted)["Attributes"]["QueueArn"]
        functions.send_results(name, str(arn), qualifier)
    return invoke_url(clients, name, qualifier)


def headers_for(trigger: str, clients: Clients, url: str, payload: bytes) -> Mapping[str, str]:
    """Return signed headers of an invocation; Lambda takes them for five minutes."""
    return signed_headers(clients.credentials(), clients.region, url, payload, _HEADERS[trigger])


@dataclass(frozen=True, kw_only=True)
class EventExchange(Exchange):
    """An invocation that Lambda accepts, and whose result it sends to a queue."""

    url: str
    queue: ResultQueue

    def submit(self, payload: bytes, request_id: str) -> HttpRequest:
        """Return the event; its signature comes with the headers of the endpoint."""
        return HttpRequest(url=self.url, body=payload)

    def inbox(self) -> Inbox:
        """Return the queue of the run."""
        return self.queue

    def poll(self, answer: HttpAnswer) -> Arrives | Done:
        """Return under which id Lambda accepted it; one that names none was not accepted."""
        if key := answer.headers.get(REQUEST_HEADER):
            return Arrives(key=key)
        return Done(status=answer.status, headers=answer.headers, body=answer.body)


@dataclass(frozen=True, kw_only=True)
class ResultQueue(Inbox):
    """The queue that takes the results of asynchronous invocations, by the JSON protocol of SQS.

    Args:
        endpoint: Of SQS.
        queue: URL of the queue.
        region: Where it is.
        credentials: As they are now, for some minutes.
    """

    questions: ClassVar[int] = 4  # each brings ten results at most, and none is held back while another is answered
    endpoint: str
    queue: str
    region: str
    credentials: Any = field(compare=False, repr=False)

    def ask(self) -> HttpRequest:
        """Return a question for the next ten messages, held until there is one."""
        return self._request(
            "ReceiveMessage", MaxNumberOfMessages=10, WaitTimeSeconds=_HELD_S, VisibilityTimeout=_HIDDEN_S
        )

    def read(self, answer: HttpAnswer) -> Delivery:
        """Return the results by the ids of their invocations, and delete their messages."""
        messages = parse_json(answer.body).get("Messages") or ()
        results = dict(filter(None, (_result(message["Body"]) for message in messages)))
        taken = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)
        ]
        return Delivery(
            results=results, acknowledgement=self._request("DeleteMessageBatch", Entries=taken) if taken else None
        )

    def _request(self, action: str, **words: Any) -> HttpRequest:
        body = json.dumps({"QueueUrl": self.queue, **words}).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
        url = f"{self.endpoint.rstrip('/')}/"
        return HttpRequest(
            url=url, headers=signed_headers(self.credentials, self.region, url, body, headers, "sqs"), body=body
        )


def _result(text: str) -> tuple[str, Done] | None:
    """Return the id of an invocation and what it returned; None of a message that cannot be read.

    It holds what a function answered, whatever that is.

    Source: Lambda developer guide, "Capturing records of Lambda asynchronous invocations".
    """
    try:
        told = parse_json(text)
        request_id, condition = told["requestContext"]["requestId"], told["requestContext"].get("condition")
    except (UntrustedJsonError, KeyError, TypeError, AttributeError) as exc:
        logger.warning("a result of an asynchronous invocation cannot be read: %s", exc)
        return None
    headers = {REQUEST_HEADER: str(request_id)}
    if condition != "Success":
        headers[ERROR_HEADER] = str(condition)
    body = json.dumps(told["responsePayload"]).encode() if "responsePayload" in told else b""
    return str(request_id), Done(body=body, headers=headers)
