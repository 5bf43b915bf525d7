"""Object storage and a key-value table of the user's own, for platforms on servers of the user's own: moto's."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler

KEYS = {"access_key": "AKIAOFTHEUSER0000000", "secret_key": "of-the-user"}


@contextmanager
def stores(certificate: tuple[Path, Path] | None = None) -> Iterator[dict[str, Any]]:
    """Lend the settings that lead to both.

    Args:
        certificate: Files with a certificate for `localhost` and its key, for TLS; None for plain HTTP.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)
    context = tuple(map(str, certificate)) if certificate else None
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        url = f"https://localhost:{server.port}" if certificate else f"http://127.0.0.1:{server.port}"
        yield {"storage_url": url, "table_url": url, **KEYS}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for `localhost` that nobody vouches for, and return it and its key."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost", "-keyout", "key", "-out", "certificate"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return folder / "certificate", folder / "key"


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing."""
