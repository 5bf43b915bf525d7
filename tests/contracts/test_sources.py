from __future__ import annotations

import os

import pytest

from sebsx.contracts.sources import source_files
from sebsx.errors import UserError


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "words"
    (root / "python" / "data").mkdir(parents=True)
    (root / "python" / "function.py").write_text("x")
    (root / "python" / "data" / "list.txt").write_text("y")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    return root


def names(root, **where):
    return [path.relative_to(root).as_posix() for path in source_files(root, **where)]


@pytest.mark.parametrize("target", ["../../outside/secret.txt", "../../outside", "/etc/passwd", "/etc"])
@pytest.mark.parametrize("place", ["python/link", "python/data/link"])
def test_link_that_leaves_the_folder_is_refused_by_name(folder, target, place):
    if target.startswith("..") and place.count("/") == 2:
        target = f"../{target}"
    (folder / place).symlink_to(target)
    with pytest.raises(UserError, match=rf"link '.*{place}' leads out of .*words', to .* is not followed"):
        source_files(folder)


def test_link_by_way_of_a_folder_that_leaves_is_refused(folder):
    (folder / "python" / "up").symlink_to("../..")
    with pytest.raises(UserError, match="leads out of"):
        source_files(folder)


def test_links_to_a_file_and_to_a_folder_that_stay_are_followed_alike(folder):
    (folder / "python" / "file-link").symlink_to("data/list.txt")
    (folder / "python" / "folder-link").symlink_to("data")
    assert names(folder) == [
        "python/data/list.txt", "python/file-link", "python/folder-link/list.txt", "python/function.py",
    ]  # fmt: skip


def test_code_may_link_to_what_else_its_benchmark_holds(folder):
    (folder / "common.py").write_text("z")
    (folder / "python" / "common.py").symlink_to("../common.py")
    assert names(folder / "python", inside=folder) == ["common.py", "data/list.txt", "function.py"]
    with pytest.raises(UserError, match="leads out of"):
        source_files(folder / "python")


@pytest.mark.parametrize("target", [".", "..", "loop"])
def test_link_that_runs_in_a_circle_is_refused(folder, target):
    (folder / "python" / "loop").symlink_to(target)
    with pytest.raises(UserError, match=r"runs in a circle|points nowhere"):
        source_files(folder)


def test_link_to_nowhere_is_refused_but_not_the_lock_of_an_editor(folder):
    (folder / "python" / ".#function.py").symlink_to("user@host.1:2")
    assert names(folder) == ["python/data/list.txt", "python/function.py"]
    (folder / "python" / "gone").symlink_to("nothing")
    with pytest.raises(UserError, match=r"gone' points nowhere \(nothing\)"):
        source_files(folder)


def test_name_that_is_not_utf8_is_refused_in_words_that_can_be_printed(folder):
    (folder / "python" / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    with pytest.raises(UserError, match=r"caf\\xe9\.txt' in .* is not UTF-8; rename it") as caught:
        source_files(folder)
    str(caught.value).encode()


def test_pipes_and_compiled_files_are_no_source(folder):
    os.mkfifo(folder / "python" / "pipe")
    (folder / "python" / "function.pyc").write_bytes(b"x")
    (folder / "python" / "node_modules").symlink_to("/usr")
    assert names(folder) == ["python/data/list.txt", "python/function.py"]


def test_a_folder_that_does_not_exist_has_no_files(tmp_path):
    assert source_files(tmp_path / "nothing") == []
