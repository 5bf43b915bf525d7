"""Finds the control groups of this sandbox, for collectors; imported by none of the others here.

Formats: proc_pid_mountinfo(5), cgroups(7). `cgroup.type` exists in every group of version 2 but the root,
`release_agent` of version 1 in the root alone.
"""

import os


def group(v1, v2):
    """Return (version, folder) of the group that accounts for this sandbox, or None.

    None where it cannot be seen, where it is the root, which counts the whole machine, and where the launcher says that
    the sandbox's own is another one or none (SEBSX_CONTROL_GROUP): what counts others as well is not the sandbox's.

    Args:
        v1: Name of the controller in version 1.
        v2: Name of the controller in version 2.
    """
    try:
        paths = _paths(_text("/proc/self/cgroup"))
        mounts = _mounts(_text("/proc/self/mountinfo"))
    except ValueError:
        return None
    for kind, options, root, where in mounts:
        version = 1 if kind == "cgroup" else 2
        path = paths.get(v1 if version == 1 else "")
        if path is None or (version == 1 and v1 not in options):
            continue
        if not _is_own(path):
            return None
        folder = _folder(path, root, where)
        if version == 2 and v2 not in _text(folder + "/cgroup.controllers").split():
            continue
        in_root = os.path.exists(folder + "/release_agent") or (
            version == 2 and not os.path.exists(folder + "/cgroup.type")
        )
        return None if in_root else (version, folder)
    return None


def _is_own(path):
    """Return whether a group is the sandbox's alone, as far as its launcher says what that is called."""
    name = os.environ.get("SEBSX_CONTROL_GROUP")
    return name is None or (name != "" and path.rpartition("/")[2] == name)


def _paths(text):
    """Return controller -> path; the one of version 2 has no name."""
    found = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            found[name] = path
    return found


def _mounts(text):
    """Return (kind, options, root, where) of each mounted hierarchy, those of version 1 first."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        kind, _source, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            fields = left.split()
            found.append((kind, options.split(","), fields[3], fields[4]))
    return sorted(found, key=lambda entry: entry[0])


def _folder(path, root, where):
    """Return where a group's files are; a container's own mount begins at its group."""
    inside = path[len(root.rstrip("/")) :] if path.startswith(root.rstrip("/") + "/") else ""
    folder = (where + inside).rstrip("/")
    return folder if os.path.isdir(folder) else where


def read(path):
    """Return a file as bytes, empty where the sandbox does not allow it."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return b""


def _text(path):
    return read(path).decode("utf-8", "replace")
