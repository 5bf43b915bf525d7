"""Whether Google's front end refused an invocation, or the function behind it answered so by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sebsx.model import Reply

_REFUSED = (401, 403)
# Of the page that the front end answers with (Cloud Run, "Troubleshoot: 401 and 403"); what a function answers it
# passes on as it is.
_WORDS = (b"Your client does not have permission", b"The request was not authenticated")
_PAGE = "text/html"


def is_refusal(reply: Reply) -> bool:
    """Tell whether an answer says that whoever runs sebsx may not invoke the function, or no longer.

    A token that is wrong is also told in `www-authenticate`, with an error; a function may ask for credentials of its
    own there, without one.
    """
    if reply.http_status not in _REFUSED:
        return False
    if 'error="invalid_token"' in reply.headers.get("www-authenticate", ""):
        return True
    return reply.headers.get("content-type", "").startswith(_PAGE) and any(word in reply.body for word in _WORDS)
