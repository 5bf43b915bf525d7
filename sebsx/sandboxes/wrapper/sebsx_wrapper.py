"""The local platform's side of the context: files for storage, SQLite for the table."""

import os

PARTIAL = ".sebsx-partial-"
BUSY_S = 30.0


class FileStorage:
    """One file per object below a folder that all sandboxes share."""

    def __init__(self, root):
        self._root = root

    def download(self, key):
        try:
            with open(self._path(key), "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise missing(key) from None

    def upload(self, key, data):
        path, partial = self._places(key)
        with open(partial, "wb") as file:
            file.write(data)
        os.replace(partial, path)

    def download_file(self, key, path):
        import shutil

        if not os.path.exists(self._path(key)):
            raise missing(key)
        shutil.copyfile(self._path(key), path)

    def upload_file(self, key, path):
        import shutil

        target, partial = self._places(key)
        shutil.copyfile(path, partial)
        os.replace(partial, target)

    def _places(self, key):
        """Return where an object belongs, and where it is written before it is moved there in one step."""
        path = self._path(key)
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        return path, os.path.join(folder, PARTIAL + os.urandom(16).hex())

    def _path(self, key):
        if not key or any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key:
            raise ValueError("storage key %r cannot be used" % (key,))
        return os.path.join(self._root, *key.split("/"))


def missing(key):
    """Return what is raised for an object that is not there."""
    return LookupError("storage holds no object %r" % (key,))


class SqliteTable:
    """Items by partition and sort key, shared by all sandboxes."""

    def __init__(self, path):
        import json
        import sqlite3

        self._dumps, self._loads = json.dumps, json.loads
        self._database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS item (partition TEXT, sort TEXT, item TEXT, PRIMARY KEY (partition, sort))"
            " WITHOUT ROWID"
        )

    def put(self, partition, sort, item):
        self._database.execute(
            "INSERT INTO item VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET item = excluded.item",
            (partition, sort, self._dumps(item)),
        )

    def get(self, partition, sort):
        row = self._database.execute(
            "SELECT item FROM item WHERE partition = ? AND sort = ?", (partition, sort)
        ).fetchone()
        return None if row is None else self._loads(row[0])

    def query(self, partition):
        rows = self._database.execute("SELECT item FROM item WHERE partition = ? ORDER BY sort", (partition,))
        return [self._loads(item) for (item,) in rows]

    def delete(self, partition, sort):
        self._database.execute("DELETE FROM item WHERE partition = ? AND sort = ?", (partition, sort))


def storage():
    """Return the client behind `context.storage`."""
    return FileStorage(os.environ["SEBSX_STORAGE_ROOT"])


def table():
    """Return the client behind `context.table`."""
    return SqliteTable(os.environ["SEBSX_TABLE_FILE"])
