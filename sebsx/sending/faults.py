"""Which troubles of a connection are this machine's own, and the limit behind each."""

from __future__ import annotations

import errno
import os
import resource
import ssl

# What the kernel answers when this machine has no more of something, whoever was called.
_OURS = {
    errno.EMFILE: "open files of this process",
    errno.ENFILE: "open files of this machine (fs.file-max)",
    errno.EADDRNOTAVAIL: "local ports (net.ipv4.ip_local_port_range)",
    errno.EAGAIN: "local ports or routes",
    errno.ENOBUFS: "memory for sockets (net.ipv4.tcp_mem)",
    errno.ENOMEM: "memory",
    errno.ENOSPC: "watched files (fs.epoll.max_user_watches)",
}
THREADS = "threads (ulimit -u, or pids.max of the control group)"


class BrokenConnectionError(OSError):
    """The connection cannot be used any more; the message says why.

    Attributes:
        limit: The limit of this machine that was met; None where the trouble is not ours.
    """

    def __init__(self, why: str, limit: str | None = None) -> None:
        super().__init__(why)
        self.limit = limit


def limit_of(code: int | None) -> str | None:
    """Return the limit of this machine that an error number tells of; None if it tells of none."""
    if code == errno.EMFILE:
        return f"{_OURS[code]} (ulimit -n {resource.getrlimit(resource.RLIMIT_NOFILE)[0]})"
    return None if code is None else _OURS.get(code)


def reason(exc: OSError) -> str:
    """Return why something failed, in a few words."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {exc.verify_message}"
    return exc.strerror or str(exc) or type(exc).__name__


def reason_of(code: int) -> str:
    """Return what an error number means."""
    return os.strerror(code)
