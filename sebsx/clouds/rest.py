"""A provider's JSON API for which no SDK is used: asked again while it is busy, and its refusals explained."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sebsx.clouds.answers import ReadAnswer, read
from sebsx.clouds.refusals import Refusal, explain
from sebsx.errors import CredentialsError, PlatformError, QuotaError, UserError
from sebsx.model.untrusted import UntrustedJsonError, parse_json
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

logger = logging.getLogger(__name__)

_ATTEMPTS = 6
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_CONNECT_S, ANSWER_S = 10.0, 60.0
_BUSY = frozenset({429, 502, 503, 504})
_NOT_TAKEN = frozenset({429, 503})
_GONE = 404
_SHOWN_CHARACTERS = 300
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

REFUSALS = (
    Refusal(
        error=QuotaError,
        codes=("HTTP 429",),
        advice="it kept refusing for too many requests: run fewer functions at once, or later",
    ),
)
"""What every such API means by a status; an API puts its own before them."""


def unauthorised(advice: str) -> Refusal:
    """Return the refusal of credentials, with what to do."""
    return Refusal(error=CredentialsError, codes=("HTTP 401", "HTTP 403"), advice=advice)


class RestApi:
    """A JSON API behind one URL. Making one sends nothing.

    Every request must be safe to send twice, unless it is sent by `once`: one whose connection breaks, or that the
    server is too busy for, is sent again, ever later. Where nobody listens, or nobody answers in time, that is told at
    once. No more is read of an answer than answers have, and no longer than one of any use takes.

    Args:
        url: What all paths begin with.
        extra: Extra of the distribution that brings `requests`.
        refusals: What its refusals mean; codes are `HTTP 401` and the like.
        credentials: User and password; None for none.
        certificate: File with certificates, as PEM, of whom it is trusted by; empty for whom this machine trusts.
        answer_s: Longest time until an answer begins, in seconds, and again until a small one has ended.
    """

    def __init__(
        self,
        url: str,
        *,
        extra: str,
        refusals: Iterable[Refusal],
        credentials: tuple[str, str] | None = None,
        certificate: str = "",
        answer_s: float = ANSWER_S,
    ) -> None:
        self.url = url.rstrip("/")
        self._extra = extra
        self._refusals = (*refusals, *REFUSALS)
        self._credentials = credentials
        self._certificate = certificate
        self._answer_s = answer_s
        self._session: Any = None

    def ask(
        self,
        what: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        or_none: bool = False,
    ) -> Any:
        """Return the JSON value that is answered, None for an empty answer.

        Args:
            what: What is being done, for messages: `create of action 'f'`.
            method: HTTP method.
            path: Behind the URL of the API.
            query: Behind the path.
            body: Sent as JSON; None for nothing.
            or_none: Return None where there is no such thing (404).

        Raises:
            PlatformError: If it is refused, or nobody answers; of the class that the refusals name.
        """
        answer = self._sent(what, method, path, query, body)
        if answer.status_code == _GONE and or_none:
            return None
        self._check(what, answer)
        if not answer.content.strip():
            return None
        try:
            return parse_json(answer.content)
        except UntrustedJsonError as exc:
            raise PlatformError(f"{what}: the answer of {self._host} cannot be read: {exc}") from exc

    def listed(self, what: str, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Return the objects in the list that a GET is answered with.

        Raises:
            PlatformError: As `ask` does, or if something else is answered.
        """
        found = self.ask(what, "GET", path, query=query) or []
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise PlatformError(f"{what}: the answer of {self._host} is not a list of objects; is that its address?")
        return found

    def tell(
        self, what: str, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> bool:
        """Do as `ask` does where only the status counts; return whether there was such a thing (no 404)."""
        answer = self._sent(what, method, path, query, body)
        if answer.status_code == _GONE:
            return False
        self._check(what, answer)
        return True

    def once(self, what: str, method: str, path: str, *, body: Any, answer_s: float) -> bool:
        """Do as `tell` does, but send again only what was certainly not taken; see `may_have_been_taken`.

        Args:
            what: What is being done, for messages.
            method: HTTP method.
            path: Behind the URL of the API.
            body: Sent as JSON.
            answer_s: Longest time until the answer begins, for what takes a while.
        """
        answer = self._sent(what, method, path, None, body, answer_s=answer_s, busy=_NOT_TAKEN)
        if answer.status_code == _GONE:
            return False
        self._check(what, answer)
        return True

    def lines(self, what: str, path: str, query: Mapping[str, str] | None = None) -> list[str]:
        """Return the lines that a GET is answered with, for JSON that comes line by line; none for a 404."""
        answer = self._sent(what, "GET", path, query, None)
        if answer.status_code == _GONE:
            return []
        self._check(what, answer)
        return answer.text.splitlines()

    def close(self) -> None:
        """Close its connections. A second call is harmless."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _check(self, what: str, answer: ReadAnswer) -> None:
        if answer.is_redirect:  # not followed: the credentials are for this server, and nothing was done
            place = urlsplit(answer.headers["location"])._replace(path="", query="", fragment="").geturl()
            raise PlatformError(
                f"{what}: {self._host} sends requests on to {place or 'another path'!r}; name that address instead"
            )
        if answer.status_code >= 400:
            raise explain(what, f"HTTP {answer.status_code}", words_of(answer.content), self._refusals)

    @property
    def _host(self) -> str:
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def _sent(
        self,
        what: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        *,
        answer_s: float | None = None,
        busy: frozenset[int] = _BUSY,
    ) -> ReadAnswer:
        """Return the last answer to a request, whatever its status; a broken connection is tried again if 502 is.

        Raises:
            PlatformError: If nobody answers.
        """
        import tenacity  # only those who send pay for it

        exceptions = require("requests.exceptions", extra=self._extra)
        within_s = self._answer_s if answer_s is None else answer_s
        broken = self._may_pass if busy is _BUSY else lambda _exc: False
        tries = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S),
            retry=tenacity.retry_if_exception(broken)
            | tenacity.retry_if_result(lambda answer: answer.status_code in busy),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome is not None else None,
        )
        try:
            answer: ReadAnswer = tries(self._send, method, path, query, body, within_s)
        except PlatformError as exc:
            raise PlatformError(f"{what}: {exc}") from exc
        except exceptions.ReadTimeout as exc:
            raise PlatformError(
                f"{what}: {self._host} took the request and did not answer within {within_s:g} s; is it the right "
                "address? A slow server gets longer with --set answer_s=..."
            ) from exc
        except exceptions.SSLError as exc:
            raise PlatformError(
                f"{what}: the certificate of {self._host} is not trusted; name the file of a self-signed one with "
                "--set certificate=..."
            ) from exc
        except (exceptions.InvalidURL, exceptions.MissingSchema, exceptions.InvalidSchema) as exc:
            raise UserError(f"{what}: {self.url!r} cannot be sent requests; write https://HOST") from exc
        except exceptions.RequestException as exc:
            raise PlatformError(
                f"{what}: {self._host} does not answer ({type(exc).__name__}); is the address right and the network up?"
            ) from exc
        return answer

    def _may_pass(self, exc: BaseException) -> bool:
        """Tell whether a request without an answer is worth another: not where nobody listens, or is trusted."""
        exceptions = require("requests.exceptions", extra=self._extra)
        if isinstance(exc, exceptions.SSLError | exceptions.Timeout):
            return False
        if isinstance(exc, exceptions.ConnectionError):
            reason = getattr(exc.args[0], "reason", None) if exc.args else None
            return not isinstance(reason, require("urllib3.exceptions", extra=self._extra).NewConnectionError)
        return isinstance(exc, exceptions.ChunkedEncodingError)

    def _send(self, method: str, path: str, query: Mapping[str, str] | None, body: Any, within_s: float) -> ReadAnswer:
        if self._session is None:
            self._session = require("requests", extra=self._extra).Session()
            self._session.auth = self._credentials
            self._session.verify = self._certificate or True
            self._session.trust_env = urlsplit(self.url).hostname not in LOOPBACK
        logger.debug("%s %s", method, path)
        answer = self._session.request(
            method,
            self.url + path,
            params=query,
            json=body,
            timeout=(min(_CONNECT_S, within_s), within_s),
            allow_redirects=False,
            stream=True,
        )
        return read(answer, within_s=within_s)


def may_have_been_taken(error: PlatformError) -> bool:
    """Tell whether a request that `RestApi.once` sent may have been carried out though it raised this."""
    requests = require("requests.exceptions", extra="")
    lost = isinstance(error.__cause__, requests.ReadTimeout | requests.ConnectionError | requests.ChunkedEncodingError)
    return lost or any(f"HTTP {status}" in str(error) for status in _BUSY - _NOT_TAKEN)


def words_of(body: bytes) -> str:
    """Return what a refusal says, in one line: the `error` or `message` of a JSON object, else its text."""
    try:
        said = parse_json(body)
    except UntrustedJsonError:
        said = None
    if isinstance(said, dict):
        said = said.get("error") or said.get("message") or ""
    text = said if isinstance(said, str) else body.decode("utf-8", "replace")
    return " ".join(text.split())[:_SHOWN_CHARACTERS] or "no reason was given"
