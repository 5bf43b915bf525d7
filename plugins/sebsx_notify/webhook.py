"""A webhook: the run as JSON, posted to an address whose every part may be a secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from sebsx.settings import setting
from sebsx_notify.notifiers import Notifier

if TYPE_CHECKING:
    from sebsx_notify.notifiers import Ended


@dataclass(frozen=True)
class WebhookSettings:
    """Where to, with what token, and after how long a run."""

    url: str = setting("", help="address that is posted to; default: nothing is posted", secret=True)
    token: str = setting("", help="sent as `Authorization: Bearer TOKEN`", secret=True)
    after_s: float = setting(600.0, help="shorter runs send nothing", minimum=0)
    timeout_s: float = setting(20.0, help="time within which it must be answered", minimum=0.1, maximum=300)

    def __post_init__(self) -> None:
        if self.url and urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError("`url` must begin with https:// or http://")
        if any(mark.isspace() or not mark.isprintable() for mark in self.url):  # an error would show parts of it
            raise ValueError("`url` is one word, without spaces")
        if any(mark in self.token for mark in "\r\n"):
            raise ValueError("`token` is one line")


class Webhook(Notifier):
    """One POST for each run; an answer other than 2xx is a failure, a redirection too: the token is not for others."""

    name = "webhook"
    summary = "a POST with the run as JSON when a long run has ended"
    Settings: ClassVar[type[Any]] = WebhookSettings
    settings: WebhookSettings

    @property
    def is_set_up(self) -> bool:
        """Whether there is an address."""
        return bool(self.settings.url)

    def tell(self, ended: Ended) -> None:
        """Post it.

        Raises:
            OSError: If it cannot be reached, or answers with anything but 2xx.
        """
        import urllib.error  # neither is needed where nobody is told
        import urllib.request

        class NoRedirections(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_words: Any) -> None:
                return None

        headers = {"Content-Type": "application/json", "User-Agent": "sebsx"}
        if self.settings.token:
            headers["Authorization"] = f"Bearer {self.settings.token}"
        body = json.dumps(ended.document).encode()
        request = urllib.request.Request(self.settings.url, body, headers)  # noqa: S310  # its scheme was checked
        try:
            with urllib.request.build_opener(NoRedirections).open(request, timeout=self.settings.timeout_s):
                return
        except urllib.error.HTTPError as exc:
            raise OSError(f"the server answered {exc.code} {exc.reason}") from exc
        except urllib.error.URLError as exc:
            raise exc.reason if isinstance(exc.reason, OSError) else OSError(exc.reason) from exc
