"""What an image of a package is built from."""

from __future__ import annotations

import tarfile
from pathlib import Path

from sebsx.clouds.images import build_context
from tests.packages import zip_package

BASE = "public.ecr.aws/lambda/python:3.12"


def test_context_holds_the_package_and_more(tmp_path: Path) -> None:
    package = zip_package(tmp_path / "p.zip", "arm64", "def handler(event, context): return 1", more__py=b"x = 1")
    recipe = [f"FROM {BASE}", "COPY code/ /var/task/"]
    with build_context(package, recipe, {"entry.sh": b"exec x"}) as file, tarfile.open(fileobj=file) as archive:
        names = set(archive.getnames())
        written = archive.extractfile("Dockerfile")
        more = archive.extractfile("code/more.py")
        assert written is not None
        assert more is not None
        assert written.read().decode().splitlines() == recipe
        assert more.read() == b"x = 1"
        assert all(member.mode & 0o444 == 0o444 for member in archive)  # functions run as another user
    assert {"entry.sh", "code/function.py", "code/sebsx.json", "code/sebsx_runtime/shim.py"} <= names
