from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from sebsx.errors import DeployError
from sebsx.sandboxes import trees
from sebsx.sandboxes.platforms import HOST_ARCHITECTURE
from sebsx.sandboxes.trees import Trees
from sebsx_python.language import PythonLanguage
from tests.packages import zip_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sebsx.model import Package

CODE = "def handler(event, context):\n    return event\n"


class Counting(PythonLanguage):
    """Counts what is prepared."""

    def __init__(self) -> None:
        self.prepared = 0

    def prepare(self, package_root: Path) -> None:
        self.prepared += 1
        super().prepare(package_root)


class Elsewhere(Counting):
    """The same on another interpreter."""

    def command(self, package_root: Path) -> list[str]:
        return ["/opt/other/python", str(package_root)]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return zip_package(tmp_path / "p.zip", HOST_ARCHITECTURE, CODE, data__py=b"A = 1\n")


@pytest.fixture
def language() -> Counting:
    return Counting()


@pytest.fixture
def borrow(tmp_path: Path, package: Package, language: Counting) -> Iterator[Callable[[], Path]]:
    """Give back what the last run borrowed, and borrow as the next one."""
    users: list[Trees] = []

    def next_run() -> Path:
        for user in users:
            user.close()
        users.append(Trees(tmp_path / f"run-{len(users)}"))
        return users[-1].lend(package, language)

    yield next_run
    for user in users:
        user.close()


@pytest.mark.slow
def test_next_run_gets_the_prepared_tree(borrow: Callable[[], Path], language: Counting) -> None:
    first = borrow()

    assert borrow() == first
    assert language.prepared == 1
    assert list(first.glob(f"__pycache__/function.{sys.implementation.cache_tag}.pyc"))


def write_into(root: Path) -> None:
    before = (root / "data.py").stat()
    with (root / "data.py").open("r+b") as file:
        file.write(b"A = 2\n")
    os.utime(root / "data.py", ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_one(root: Path) -> None:
    (root / "other").write_bytes(b"A = 2\n")
    (root / "other").replace(root / "data.py")


def forget_one(root: Path) -> None:
    """Leave out of the list of files what would then be taken for left by a function, and removed."""
    listed = root.with_name(root.name + ".json")
    digest, _, text = listed.read_text().partition("\n")
    files = json.loads(text)
    del files["data.py"]
    listed.write_text(f"{digest}\n{json.dumps(files)}")


def put_a_link_in_place(root: Path) -> None:
    """Have the tree lead to somebody else's folder."""
    shutil.rmtree(root)
    root.symlink_to(root.parents[1] / "precious")


def make_unreadable(root: Path) -> None:
    """Leave a folder that not even its owner may look into."""
    (root / "left").mkdir()
    (root / "left" / "x").touch()
    (root / "left").chmod(0)
    write_into(root)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        write_into,
        replace_one,
        lambda root: (root / "data.py").unlink(),
        lambda root: (root / "data.py").chmod(0o755),
        lambda root: (root / "sebsx_runtime").chmod(0o700),
        lambda root: root.with_name(root.name + ".json").write_text("{", encoding="utf-8"),
        lambda root: root.with_name(root.name + ".json").unlink(),
        forget_one,
        put_a_link_in_place,
        make_unreadable,
    ],
)
def test_changed_tree_is_made_again(
    borrow: Callable[[], Path], language: Counting, change: Callable[[Path], object]
) -> None:
    precious = borrow().parents[1] / "precious"
    precious.mkdir()
    (precious / "x").touch()
    change(borrow())

    root = borrow()

    assert language.prepared == 2
    assert [path.name for path in precious.iterdir()] == ["x"]
    assert (root / "data.py").read_bytes() == b"A = 1\n"
    assert not (root / "data.py").stat().st_mode & 0o100
    assert borrow() == root
    assert language.prepared == 2


@pytest.mark.slow
def test_what_a_function_left_is_gone(borrow: Callable[[], Path], language: Counting) -> None:
    root = borrow()
    (root / "made" / "below").mkdir(parents=True)
    (root / "made" / "below" / "x").write_text("left")
    (root / "cache.db").symlink_to("function.py")

    root = borrow()

    assert not (root / "made").exists()
    assert not (root / "cache.db").is_symlink()
    assert language.prepared == 1


@pytest.mark.slow
def test_two_runs_at_once_have_a_tree_each(tmp_path: Path, package: Package, language: Counting) -> None:
    one, two = Trees(tmp_path / "one"), Trees(tmp_path / "two")

    first, second = one.lend(package, language), two.lend(package, language)
    write_into(first)

    assert first != second
    assert (second / "data.py").read_bytes() == b"A = 1\n"
    one.close()
    two.close()


@pytest.mark.slow
def test_next_deployment_of_a_run_gets_another_tree_once_a_function_wrote(
    tmp_path: Path, package: Package, language: Counting
) -> None:
    user = Trees(tmp_path / "one")
    first = user.lend(package, language)
    assert user.lend(package, language) == first

    (first / "state.json").write_text("{}")

    second = user.lend(package, language)
    assert second != first
    assert not (second / "state.json").exists()
    user.close()


@pytest.mark.slow
def test_another_interpreter_has_a_tree_of_its_own(
    borrow: Callable[[], Path], tmp_path: Path, package: Package
) -> None:
    first, other, user = borrow(), Elsewhere(), Trees(tmp_path / "other")

    assert user.lend(package, other).name.rpartition(".")[0] != first.name.rpartition(".")[0]
    assert other.prepared == 1
    user.close()


@pytest.mark.slow
def test_package_in_a_folder_that_cannot_be_written_is_unpacked_apart(
    tmp_path: Path, package: Package, language: Counting
) -> None:
    (tmp_path / trees.FOLDER).write_text("in the way")

    user = Trees(tmp_path / "run")

    assert user.lend(package, language).is_relative_to(tmp_path / "run")
    user.close()


def test_damaged_package_is_refused(tmp_path: Path, package: Package, language: Counting) -> None:
    package.path.write_bytes(b"no zip")
    user = Trees(tmp_path / "run")

    with pytest.raises(DeployError, match="cannot be unpacked"):
        user.lend(package, language)

    package.path.unlink()
    with pytest.raises(DeployError, match="cannot be unpacked"):
        user.lend(package, language)
    user.close()


@pytest.mark.slow
def test_tree_that_nobody_wants_goes(borrow: Callable[[], Path], tmp_path: Path, language: Counting) -> None:
    kept = borrow()
    shelf = kept.parent
    for name in ("old.0", "lent.0"):
        (shelf / name).mkdir()
        (shelf / f"{name}.json").write_text(json.dumps({}))
        (shelf / f"{name}.lock").touch()
    lent = trees._lock(shelf / "lent.0.lock")
    for lock in shelf.glob("*.lock"):
        os.utime(lock, (1, 1))

    assert borrow() == kept

    assert not list(shelf.glob("old.0*"))
    assert len(list(shelf.glob("lent.0*"))) == 3
    assert lent is not None
    os.close(lent)


def test_tree_that_was_prepared_ahead_is_the_one_that_is_lent(
    tmp_path: Path, package: Package, language: Counting
) -> None:
    trees_ = Trees(tmp_path / "private")
    trees_.prepare(package, language)

    root = trees_.lend(package, language)

    assert language.prepared == 1
    assert root.parent.parent == package.path.parent
    trees_.prepare(package, language)  # it is lent: nothing is touched
    assert language.prepared == 1
    trees_.close()
