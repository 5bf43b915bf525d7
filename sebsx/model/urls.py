"""One way to quote a URL in a message, in a store or in a report: without what may be secret in it."""

from __future__ import annotations

from urllib.parse import urlsplit


def quotable(url: str) -> str:
    """Return a URL without user, password, query and fragment; what is left out leaves no trace."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url.partition("://")[0][:20] + "://..."
    host = f"[{host}]" if ":" in host else host
    place = f"{host}:{port}" if port else host
    return f"{parts.scheme}://{place}{parts.path}" if parts.scheme else f"{place}{parts.path}"
