"""What comes from outside (functions, providers, files, users), made fit to be shown and handed on."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

# Control characters but tab and line feed; marks that turn the direction of what follows; ends of lines that only some
# programs see; halves of characters that no encoding can hold.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>`]*[^\s'\"<>`.,:;)\]]")
# OWASP, "CSV Injection": what makes a spreadsheet take a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Names of variables whose values are secrets, and how long a value must be to be found in a text.
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_LONG_ENOUGH = 6


def visible(text: str) -> str:
    """Return a text in which whatever would steer a terminal or turn its direction stands as an escape."""
    return _UNSEEN.sub(_escaped, text) if _UNSEEN.search(text) else text


def for_spreadsheets(text: str) -> str:
    """Return a word of a table that no spreadsheet takes for a formula; numbers stay as they are."""
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def quoted_url(url: str) -> str:
    """Return a URL as it may be shown and stored: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL that cannot be read"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def without_secrets(text: str) -> str:
    """Return a message in which every URL is quoted by `quoted_url`."""
    return _URL.sub(lambda match: quoted_url(match.group()), text) if "://" in text else text


def without_environment(text: str) -> str:
    """Return a text without the values of the secrets that stand in the environment of this process."""
    for name, value in os.environ.items():
        if len(value) >= _LONG_ENOUGH and value in text and _SECRET.search(name):
            text = text.replace(value, f"(secret {name})")
    return text


def _escaped(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
