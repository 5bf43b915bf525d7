"""Whatever a user reads is plain: short sentences, and none of the words that a native reader reads twice."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import sebsx

ROOT = Path(sebsx.__file__).parent.parent
PAGES = [
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "_generated" not in path.parts and path.stem != "api"),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
]
CODE = [path for folder in ("sebsx", "plugins", "platforms") for path in sorted((ROOT / folder).rglob("*.py"))]
MOST_WORDS = 60
# What is odd, and what it says.
ODD = {
    r"\banew\b": "again",
    r"\bin vain\b": "unanswered, without success",
    r"\bdear(er|est)\b": "more expensive, most expensive",
    r"\btold apart\b": "distinguished",
    r"\bnobody (told|knows|wants)\b": "unknown, not used",
    r"\bsandboxes at a time\b|\bdeployed at a time\b": "at once",
    r"\bleft in peace\b": "not called again",
    r"\b(can|could|cannot) be had\b": "available",
    r"\bgo on with: ": "resume with",
    r"\btold (no|nothing)\b": "did not report",
    r"\bfor it is (no|not)\b": "because it is not",
    r"\bgoods\b": "services",
    r"\bis no (number|name|file|duration|size|date|benchmark|JSON|word)\b": "is not a ...",
    r"\bbelongs? into\b": "belongs in",
    r"\btakes no (push|image|option)s?\b": "does not accept",
    r"\bsay nothing of\b": "do not show",
}
ANY = re.compile("|".join(ODD))
_FENCES = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_NOT_PROSE = re.compile(r"^(\||#|    ).*$", re.MULTILINE)


def prose(path: Path) -> str:
    """Return a page without code, tables, headings and addresses of links."""
    text = _FENCES.sub("\n\n", path.read_text(encoding="utf-8"))
    return re.sub(r"\]\([^)]*\)", "]", _NOT_PROSE.sub("\n", text))


def sentences(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        yield from re.split(r"(?<=[.!?:])\s+(?=[A-Z`*\[])", " ".join(paragraph.split()))


def strings(path: Path) -> Iterator[str]:
    """Yield what a module may say: its strings of some words, f-strings without their values; docstrings too."""
    tree = ast.parse(path.read_bytes())
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value


def may_be_odd(path: Path) -> bool:
    """Return whether a module has an odd word, strings that stand in several lines put together: parsing takes long."""
    joined = re.sub(r"""["']\s*\n\s*[fr]?["']""", "", path.read_text(encoding="utf-8"))
    return ANY.search(" ".join(joined.split())) is not None


def odd(text: str) -> list[str]:
    return [f"{text[:200]!r}: write {plain!r}" for word, plain in ODD.items() if re.search(word, text)]


def test_sentences_of_pages_are_short() -> None:
    long = [
        f"{path.name}: {sentence}"
        for path in PAGES
        for sentence in sentences(prose(path))
        if len(sentence.split()) > MOST_WORDS and not sentence.startswith("**Sources.**")
    ]
    assert long == []


def test_pages_use_no_odd_words() -> None:
    assert [f"{path.name}: {each}" for path in PAGES for text in sentences(prose(path)) for each in odd(text)] == []


def test_messages_help_texts_and_docstrings_use_no_odd_words() -> None:
    read = filter(may_be_odd, CODE)
    said = ((path, " ".join(text.split())) for path in read for text in strings(path) if len(text.split()) > 2)
    assert [f"{path.name}: {each}" for path, text in said for each in odd(text)] == []
