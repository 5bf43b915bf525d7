"""Driver's side of startup-dependencies: knows the sum that every used module must arrive at."""

from __future__ import annotations

# Modules that can add numbers, in the order in which they are taken; each has a way to do so in the function.
USED = (
    "shlex", "ast", "csv", "datetime", "http.cookies", "tokenize", "statistics", "sqlite3",
    "decimal", "fractions", "configparser", "ipaddress", "plistlib", "urllib.parse", "xml.etree.ElementTree",
    "argparse",
)  # fmt: skip

# Modules of the standard library that every CPython from 3.9 on has on Linux, light ones first.
UNUSED = (
    "numbers", "queue", "graphlib", "filecmp", "secrets", "difflib", "uuid", "pstats",
    "html.parser", "mimetypes", "zipfile", "tarfile", "timeit", "trace", "shelve", "fileinput",
    "logging.config", "concurrent.futures.thread", "email.mime.multipart", "http.client", "urllib.request", "ftplib",
    "smtplib", "poplib", "imaplib", "socketserver", "http.server", "xml.sax", "xml.dom.minidom", "xml.dom.pulldom",
    "wsgiref.simple_server", "mailbox", "netrc", "cProfile", "symtable", "pickletools", "pyclbr", "code",
    "cmd", "pdb", "doctest", "unittest.mock", "asyncio", "multiprocessing.pool", "multiprocessing.managers",
    "concurrent.futures.process", "xmlrpc.server", "pydoc",
)  # fmt: skip

_NUMBERS = 20


def payload(parameters, rng, storage):
    """Return the names of the modules, and the numbers that the used ones add."""
    return {
        "used": list(USED[: parameters["used"]]),
        "unused": list(UNUSED[: parameters["unused"]]),
        "numbers": [rng.randrange(1000) for _ in range(_NUMBERS)],
    }


def check(payload, output, storage):
    """Return None if all modules are loaded, every used one added the numbers, and the times are durations."""
    expected = {
        "loaded": len(payload["used"]) + len(payload["unused"]),
        "sums": {name: sum(payload["numbers"]) for name in payload["used"]},
    }
    for name, value in expected.items():
        if output[name] != value:
            return f"{name} is {output[name]!r}, expected {value!r}"
    for name, modules in (("import_used_s", payload["used"]), ("import_unused_s", payload["unused"])):
        seconds = output[name]
        if not 0 <= seconds < 1000 or (modules and seconds == 0):  # written so that NaN is wrong too
            return f"{name} is {seconds!r}, which is not how long importing {len(modules)} modules takes"
    return None
