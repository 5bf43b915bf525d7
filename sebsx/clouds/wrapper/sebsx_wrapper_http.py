"""What the clients inside functions of every provider have in common, by the standard library alone."""

import http.client
import os
import ssl
import time
from _thread import _local
from urllib.parse import urlsplit

TIMEOUT_S = 60
ATTEMPTS = 4


class HttpService:
    """One service of a provider over a kept connection for each thread: a host may serve several calls at once.

    Args:
        host: Host of the service where no endpoint is set.
        endpoint: URL of another endpoint, or None.
    """

    def __init__(self, host, endpoint):
        parts = urlsplit(endpoint or "https://" + host)
        self._host = parts.netloc
        self._kind = trusting if parts.scheme == "https" else http.client.HTTPConnection
        self._kept = _local()

    @property
    def answered(self):
        """The headers of the last answer in this thread."""
        return self._kept.answered

    def ask(self, method, path, query="", body=b"", headers=None, **proof):
        """Send a request and return (status, body); tries again where the provider asks for it."""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(0.05 * 2**attempt)
                if hasattr(body, "seek"):
                    body.seek(0)
            try:
                signed = self._sign(method, path, query, dict(headers or {}), **proof)
                connection = getattr(self._kept, "connection", None) or self._connect()
                connection.request(method, path + ("?" + query if query else ""), body, signed)
                response = connection.getresponse()
                data, self._kept.answered = response.read(), response.headers
            except (OSError, http.client.HTTPException):
                self._close()
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            if not self._asks_again(response.status, data):
                break
        return response.status, data

    def _sign(self, method, path, query, headers):
        """Return headers that say who asks."""
        return headers

    def _asks_again(self, status, data):
        """Return whether the provider is only busy."""
        return status >= 500 or status == 429

    def _connect(self):
        self._kept.connection = connection = self._kind(self._host, timeout=TIMEOUT_S)
        return connection

    def _close(self):
        connection, self._kept.connection = getattr(self._kept, "connection", None), None
        if connection is not None:
            connection.close()


def trusting(host, timeout):
    """Return a connection to whom this machine trusts, and the certificate that the user gave."""
    context = ssl.create_default_context()
    if os.environ.get("SEBSX_TRUSTED"):
        context.load_verify_locations(cadata=os.environ["SEBSX_TRUSTED"])
    return http.client.HTTPSConnection(host, timeout=timeout, context=context)


class ObjectStorage:
    """Objects of the run's bucket; a subclass says by `_get` and `_put` how they are asked for."""

    def download(self, key):
        status, data = self._get(checked(key))
        if status == 404:
            raise LookupError("storage holds no object %r" % (key,))
        check(status, data, "read of %r" % (key,))
        return data

    def upload(self, key, data):
        check(*self._put(checked(key), data, {"content-length": str(len(data))}), "write of %r" % (key,))

    def download_file(self, key, path):
        with open(path, "wb") as file:
            file.write(self.download(key))

    def upload_file(self, key, path):
        with open(path, "rb") as file:
            headers = {"content-length": str(os.fstat(file.fileno()).st_size)}
            check(*self._put(checked(key), file, headers), "write of %r" % (key,))


def checked(key):
    """Return a key that names an object everywhere."""
    if not key or any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key:
        raise ValueError("storage key %r cannot be used" % (key,))
    return key


def check(status, data, what):
    """Raise what the provider said when it refused."""
    if not 200 <= status < 300:
        raise OSError("%s failed with %d: %s" % (what, status, data[:300].decode("utf-8", "replace")))
