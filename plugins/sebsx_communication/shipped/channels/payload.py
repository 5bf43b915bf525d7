"""Messages as payloads: the producer invokes the consumer over HTTP, whose answer is the message back."""

import http.client
import json
import time
from base64 import b64decode, b64encode
from urllib.parse import urlsplit

from sebsx_channels import End, Lost, Unreachable

# The platform is busy, or has no sandbox yet: to be asked again.
AGAIN = (429, 500, 502, 503, 504)
PAUSE_S = 0.1


class PayloadEnd(End):
    """The producer's end; the consumer's is `answer`."""

    def __init__(self, parameters):
        super().__init__(parameters)
        self._url = urlsplit(parameters["url"])
        self._headers = {"Content-Type": "application/json", **parameters.get("headers", {})}
        self._timeout_s = parameters.get("timeout_s", 30.0)
        self._connection = None
        self._answers = {}

    def send(self, number, data):
        self._invoke(number, data, True)

    def send_one_way(self, number, data):
        self._invoke(number, data, False)

    def receive(self, number, timeout_s):
        if number not in self._answers:
            self.count("poll")
            time.sleep(min(PAUSE_S, timeout_s))
            raise Lost("invocation %d was not answered" % number)
        return b64decode(self._answers.pop(number))

    def close(self, clean):
        if self._connection is not None:
            self._connection.close()

    def _invoke(self, number, data, back):
        message = b64encode(data).decode("ascii")
        body = json.dumps({"role": "answer", "channel": "payload", "message": message, "back": back})
        self.count("invoke")
        try:
            if self._connection is None:
                https = self._url.scheme == "https"
                kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
                self._connection = kind(self._url.netloc, timeout=self._timeout_s)
            path = self._url.path + ("?" + self._url.query if self._url.query else "")
            self._connection.request("POST", path or "/", body.encode(), self._headers)
            response = self._connection.getresponse()
            answer = response.read()
        except ConnectionRefusedError as exc:
            raise Unreachable("%s: %s" % (self._url.netloc, exc)) from None
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            return  # not answered, which `receive` says
        if response.status in AGAIN:
            return
        if response.status != 200:
            raise Unreachable("HTTP %d: %s" % (response.status, answer[:200].decode("utf-8", "replace")))
        found = json.loads(answer.decode())
        self._answers[number] = found.get("output", found)["message"]


def answer(event):
    """Return what the consumer answers."""
    return {"role": "answer", "message": event["message"] if event["back"] else ""}


def connect(role, context, session, parameters):
    return PayloadEnd(parameters)
