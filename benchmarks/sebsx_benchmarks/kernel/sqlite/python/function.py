"""Select random rows from a table of SQLite, a statement each, from a file."""

from __future__ import annotations

import array
import hashlib
import pathlib
import sqlite3
import sys
import tempfile

CELLS = 9
DRAWS = 4096


def random_numbers(seed, count):
    """Return `count` numbers below 2**32 from SHAKE-256, little-endian."""
    numbers = array.array("I", hashlib.shake_256(seed.encode("ascii")).digest(4 * count))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def create_table(connection, cells, rows):
    """Create a table of 10 columns, an id from 1 on and nine integers, and fill it."""
    names = ", ".join(f"c{number} INTEGER" for number in range(1, CELLS + 1))
    with connection:
        connection.execute(f"CREATE TABLE numbers (id INTEGER PRIMARY KEY, {names})")
        connection.executemany(
            "INSERT INTO numbers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((row + 1, *cells[CELLS * row : CELLS * (row + 1)]) for row in range(rows)),
        )


def handler(event, context):
    """Return how many rows were found, the sum of one cell of each, and SQLite's version."""
    rows = event["rows"]
    numbers = random_numbers(event["seed"], CELLS * rows + DRAWS)
    draws = [((1 + number % rows,), 1 + number // 65536 % CELLS) for number in numbers[CELLS * rows :]]
    found = total = 0
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(str(pathlib.Path(folder, "numbers.db")))
        try:
            with context.phase("prepare"):
                create_table(connection, numbers, rows)
            with context.phase("compute"):
                for number in range(event["selects"]):
                    key, column = draws[number % DRAWS]
                    row = connection.execute("SELECT * FROM numbers WHERE id = ?", key).fetchone()
                    found += 1
                    total += row[column]
        finally:
            connection.close()
    return {"found": found, "total": total, "sqlite_version": sqlite3.sqlite_version}
