"""What is shipped into functions: the files of a plugin, and the clients that several providers share.

`sebsx_wrapper` is for wherever storage speaks S3 and the table DynamoDB. It reads `SEBSX_BUCKET` and `SEBSX_TABLE`, and
of AWS's variables the region, the credentials and the endpoints. What clients of every provider have in common is
`sebsx_wrapper_http`, which any wrapper may build on.
"""

from __future__ import annotations

from importlib.resources import files

_PYTHON = ("sebsx_wrapper_http.py",)
_SHARED = {"python": _PYTHON, "nodejs": ("sebsx_wrapper_http.cjs",)}
_FILES = {"python": ("sebsx_wrapper.py", *_PYTHON), "nodejs": ("sebsx_wrapper.cjs",)}


def wrapper_files(language: str) -> dict[str, bytes]:
    """Return the wrapper for S3 and DynamoDB in a language; nothing where there is none."""
    return own_files("sebsx.clouds", *_FILES.get(language, ()))


def own_files(package: str, *names: str) -> dict[str, bytes]:
    """Return files of the folder `wrapper` of a package, such as that of a plugin."""
    return {name: (files(package) / "wrapper" / name).read_bytes() for name in names}


def shared_files(language: str) -> dict[str, bytes]:
    """Return what a wrapper of a provider's own may build on."""
    return own_files("sebsx.clouds", *_SHARED.get(language, ()))
