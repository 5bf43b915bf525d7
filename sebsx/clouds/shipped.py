"""What is shipped into functions wherever storage speaks S3 and the table DynamoDB: `sebsx_wrapper`, by language.

It reads `SEBSX_BUCKET` and `SEBSX_TABLE`, and of AWS's variables the region, the credentials and the endpoints.
"""

from __future__ import annotations

from importlib.resources import files

_SUFFIXES = {"python": ".py", "nodejs": ".cjs"}


def wrapper_files(language: str) -> dict[str, bytes]:
    """Return the wrapper for a language; nothing where there is none."""
    name = f"sebsx_wrapper{_SUFFIXES.get(language, '')}"
    if language not in _SUFFIXES:
        return {}
    return {name: (files("sebsx.clouds") / "wrapper" / name).read_bytes()}
