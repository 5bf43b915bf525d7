"""Import modules, use some of them, and say what the importing took."""

from __future__ import annotations

import importlib
import io
import sys
import time


def _add_cookies(module, numbers):
    cookie = module.SimpleCookie("; ".join(f"n{index}={number}" for index, number in enumerate(numbers)))
    return sum(int(morsel.value) for morsel in cookie.values())


def _add_tokens(module, numbers):
    tokens = module.generate_tokens(io.StringIO(" + ".join(map(str, numbers))).readline)
    return sum(int(token.string) for token in tokens if token.type == module.NUMBER)


def _add_in_database(module, numbers):
    database = module.connect(":memory:")
    try:
        database.execute("CREATE TABLE numbers (number INTEGER)")
        database.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in numbers])
        return database.execute("SELECT sum(number) FROM numbers").fetchone()[0]
    finally:
        database.close()


def _add_configuration(module, numbers):
    parser = module.ConfigParser()
    parser.read_string("[numbers]\n" + "".join(f"n{index} = {number}\n" for index, number in enumerate(numbers)))
    return sum(parser.getint("numbers", name) for name in parser["numbers"])


def _add_elements(module, numbers):
    root = module.fromstring("<all>" + "".join(f"<n>{number}</n>" for number in numbers) + "</all>")
    return sum(int(element.text) for element in root)


def _add_arguments(module, numbers):
    parser = module.ArgumentParser()
    parser.add_argument("numbers", type=int, nargs="*")
    return sum(parser.parse_args([str(number) for number in numbers]).numbers)


# How each module can be made to add numbers.
USES = {
    "shlex": lambda module, numbers: sum(map(int, module.split(" ".join(map(str, numbers))))),
    "ast": lambda module, numbers: sum(module.literal_eval(repr(numbers))),
    "csv": lambda module, numbers: sum(map(int, next(module.reader([",".join(map(str, numbers))])))),
    "datetime": lambda module, numbers: sum((module.timedelta(days=n) for n in numbers), module.timedelta()).days,
    "http.cookies": _add_cookies,
    "tokenize": _add_tokens,
    "statistics": lambda module, numbers: round(module.mean(numbers) * len(numbers)),
    "sqlite3": _add_in_database,
    "decimal": lambda module, numbers: int(sum(map(module.Decimal, numbers))),
    "fractions": lambda module, numbers: int(sum(module.Fraction(number, 7) for number in numbers) * 7),
    "configparser": _add_configuration,
    "ipaddress": lambda module, numbers: sum(int(module.ip_address(number)) for number in numbers),
    "plistlib": lambda module, numbers: sum(module.loads(module.dumps(numbers))),
    "urllib.parse": lambda module, numbers: sum(
        int(value) for _, value in module.parse_qsl("&".join(f"n={number}" for number in numbers))
    ),
    "xml.etree.ElementTree": _add_elements,
    "argparse": _add_arguments,
}


def import_all(names):
    """Import modules by name; return the seconds it took, next to nothing if they are loaded already."""
    started = time.perf_counter()
    for name in names:
        importlib.import_module(name)
    return time.perf_counter() - started


def handler(event, context):
    """Return how many modules are loaded, what each used one makes of the numbers, and the seconds of importing."""
    with context.phase("import_used"):
        import_used_s = import_all(event["used"])
    with context.phase("import_unused"):
        import_unused_s = import_all(event["unused"])
    with context.phase("compute"):
        sums = {name: USES[name](sys.modules[name], event["numbers"]) for name in event["used"]}
    return {
        "loaded": sum(name in sys.modules for name in event["used"] + event["unused"]),
        "sums": sums,
        "import_used_s": import_used_s,
        "import_unused_s": import_unused_s,
    }
