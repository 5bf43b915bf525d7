"""Reads requirements files as pip does, with all that they name: what is installed is what was read here.

Other files (`-r`, `-c`), projects in folders (`-e ./lib`), wheels by path and folders of wheels (`-f`) are followed.
The installer is given one flat list of lines with whole paths, so that nothing is read that is not known here.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sebsx.contracts.sources import source_files
from sebsx.errors import PackagingError
from sebsx.system.homes import expanded

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
# Those that name something to read: option -> what it is to us.
_OPTIONS = {
    "-r": "requirement", "--requirement": "requirement", "-c": "constraint", "--constraint": "constraint",
    "-e": "editable", "--editable": "editable", "-f": "find-links", "--find-links": "find-links",
}  # fmt: skip
_OPTION = re.compile(rf"({'|'.join(sorted(_OPTIONS, key=len, reverse=True))})(?:\s*=\s*|\s+|(?=[^-\s=]))(.+)")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
_EXACT = re.compile(r"===?\s*[^*,\s]+$")
_DEPTH = 20  # of files that name files


@dataclass
class Requirements:
    """What some requirements files ask for, with all that they name.

    Attributes:
        lines: Of one flat file, paths whole.
        constraints: Of one flat file as well.
        files: Every file that was read or will be, projects in folders included.
        pinned: Normalised names that have one version.
        projects: Folders whose projects are built.
    """

    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    pinned: set[str] = field(default_factory=set)
    projects: list[Path] = field(default_factory=list)

    def decided(self, environment: dict[str, str]) -> Requirements:
        """Return what applies in an environment, without markers."""
        lines, constraints = (
            [kept for line in each if (kept := applies(line, environment)) is not None]
            for each in (self.lines, self.constraints)
        )
        return replace(self, lines=lines, constraints=constraints)

    @property
    def any(self) -> bool:
        """Whether anything is asked for."""
        return any(not line.startswith("-") for line in self.lines)


def read(file: Path) -> Requirements:
    """Return what a requirements file asks for.

    Raises:
        PackagingError: If it, or what it names, cannot be read; the message names the file and the line.
    """
    found = Requirements()
    _read(file, found, constraint=False, above=())
    return found


def applies(line: str, environment: dict[str, str]) -> str | None:
    """Return a line without its environment marker, or None where that leaves the line out."""
    requirement, semicolon, marker = _parted(line)
    if not semicolon:
        return line
    try:
        return requirement if Marker(marker).evaluate({**environment, "extra": ""}) else None
    except InvalidMarker:
        return line  # the installer says what is wrong with it


def copy(project: Path, folder: Path) -> Path:
    """Copy a project into a folder and return the copy.

    A build that writes beside its sources (`build/lib` of setuptools, which keeps modules that are gone) so leaves them
    as they are, and reads what was read for the key and nothing else.
    """
    place = folder / project.name
    for path in source_files(project):
        (place / path.relative_to(project)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / path.relative_to(project))
    return place


def moved(line: str, project: Path, wheel: Path) -> str:
    """Return a line with a wheel in the place of the project that it names."""
    for old, new in ((project.as_uri(), wheel.as_uri()), (str(project), str(wheel))):
        if found := re.match(rf"(.*?@ |){re.escape(old)}(?=$|[\[\s;#])", line):
            return found[1] + new + line[found.end() :]
    return line


def _read(file: Path, found: Requirements, *, constraint: bool, above: tuple[Path, ...]) -> None:
    if file in above or len(above) > _DEPTH:
        raise PackagingError(f"requirements file {str(file)!r} includes itself")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        who = f", which {str(above[-1])!r} includes," if above else ""
        raise PackagingError(f"requirements file {str(file)!r}{who} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise PackagingError(f"requirements file {str(file)!r} is not UTF-8: {exc}") from exc
    found.files.append(file)
    for line in _lines(text):
        _add(line, file, found, constraint=constraint, above=(*above, file))


def _lines(text: str) -> list[str]:
    """Return the lines that say something: continued ones joined, comments left out, variables put in."""
    joined = re.sub(r"[ \t]*\\\r?\n", " ", re.sub(r"(?m)^\s*#.*$", "", text))
    lines = (_COMMENT.sub("", line).strip() for line in joined.splitlines())
    return [_VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), line) for line in lines if line]


def _add(line: str, file: Path, found: Requirements, *, constraint: bool, above: tuple[Path, ...]) -> None:
    option = _OPTION.match(line)
    kind, value = (_OPTIONS[option[1]], option[2].strip()) if option else ("", line)
    if kind in ("requirement", "constraint"):
        if "://" in value:
            raise PackagingError(
                f"{value!r} in {str(file)!r} cannot be followed: what it says may change unseen; put a copy beside it"
            )
        _read(_whole(value, file), found, constraint=constraint or kind == "constraint", above=above)
    elif kind == "find-links":
        _add_links(value, file, found)
    elif not kind and line.startswith("-"):
        if line not in found.lines:
            found.lines.append(line)
    else:  # what is editable links to a folder that the function does not have: it is installed as others are
        (found.constraints if constraint else found.lines).append(_requirement(value, file, found))


def _add_links(value: str, file: Path, found: Requirements) -> None:
    if "://" not in value:
        folder = _whole(value, file)
        found.files += [folder] if folder.is_file() else source_files(folder)
        value = str(folder)
    found.lines.append(f"--find-links {value}")


def _requirement(line: str, file: Path, found: Requirements) -> str:
    """Return a requirement with a whole path, noting what it reads and whether it is pinned."""
    text, semicolon, marker = _parted(line)
    text, *options = re.split(r"\s+(?=--)", text)  # `--hash=...`
    name, at, place = (part.strip() for part in text.partition("@"))
    if not at or not re.fullmatch(r"[\w.-]+(\s*\[.*\])?", name):
        name, place = "", text
    local = _local(place, file)
    if local is not None:
        path, extras = local
        found.files += _files_of(path, file, place)
        found.projects += [path] if path.is_dir() else []
        text = f"{name} @ {path.as_uri()}" if name else f"{path}{extras}"
        found.pinned.update({canonicalize_name(name.partition("[")[0])} if name else ())
    elif options or _EXACT.search(text) or (name and "#sha256=" in place):
        found.pinned.add(_named(text))
    return " ".join([text, *options]) + (f" ; {marker}" if semicolon else "")


def _named(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return ""  # the installer says what is wrong with it


def _local(place: str, file: Path) -> tuple[Path, str] | None:
    """Return the path that a requirement names, and the extras behind it; None for one of a registry or the network."""
    if place.startswith("file:"):
        return Path(unquote(urlsplit(place).path)), ""
    match = re.fullmatch(r"(.*?)(\[[\w,. -]*\])?", place)
    assert match is not None
    word = match[1]
    if "://" in word or re.match(r"(git|hg|svn|bzr)\+", word):
        return None
    if word.startswith((".", "/", "~")) or os.sep in word or word.endswith(_ARCHIVES):
        return _whole(word, file), match[2] or ""
    return None


def _files_of(path: Path, file: Path, place: str) -> list[Path]:
    if path.is_dir():
        return source_files(path)
    if path.is_file():
        return [path]
    raise PackagingError(f"{place!r} in {str(file)!r} is neither a file nor a folder")


def _whole(word: str, file: Path) -> Path:
    return Path(os.path.normpath(file.parent / expanded(word)))


def _parted(line: str) -> tuple[str, str, str]:
    """Return a requirement and its environment marker, which a URL may have only behind a space."""
    parts = re.split(r"\s+;\s*" if "://" in line else r"\s*;\s*", line, maxsplit=1)
    return (parts[0].strip(), ";", parts[1].strip()) if len(parts) == 2 else (line, "", "")
