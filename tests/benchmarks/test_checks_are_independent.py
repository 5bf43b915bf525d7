"""The driver's checks against values worked out by hand or by other tools, and against wrong work."""

from __future__ import annotations

import concurrent.futures
import hashlib
import io
import itertools
import random
import runpy
import struct
import threading
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sebsx_benchmarks
from sebsx.contracts import benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import FolderStorage

    from sebsx.contracts.benchmarks import Benchmark

ROOT = Path(sebsx_benchmarks.__file__).parent

GRAPH = benchmarks.load(ROOT / "scientific/graph-bfs")
HTML = benchmarks.load(ROOT / "web/dynamic-html")
CART = benchmarks.load(ROOT / "web/crud-api")
ZIP = benchmarks.load(ROOT / "utility/compression")
THUMBNAIL = benchmarks.load(ROOT / "multimedia/thumbnailer")
SLEEP = benchmarks.load(ROOT / "micro/sleep")


def driver(benchmark: Benchmark) -> Any:
    return benchmark.driver.module


# --- sleep


def test_sleep_too_short_by_a_microsecond_is_wrong() -> None:
    assert SLEEP.check({"duration_s": 0.1}, {"slept_s": 0.1}, None) is None
    assert "asked for at least 0.1" in (SLEEP.check({"duration_s": 0.1}, {"slept_s": 0.099999}, None) or "")
    assert SLEEP.check({"duration_s": 0.1}, {"slept_s": float("nan")}, None)


# --- dynamic-html


def test_page_is_the_one_written_by_hand() -> None:
    # SHAKE-256 of "04" begins with the little-endian numbers 2542517025 and 2249608258.
    page = (
        b'<!DOCTYPE html>\n<html lang="en">\n<head><title>Numbers for A&amp;B</title></head>\n<body>\n'
        b"<h1>Hello, A&amp;B!</h1>\n<ol>\n<li>517025</li>\n<li>608258</li>\n</ol>\n</body>\n</html>\n"
    )
    output = {"items": 2, "html_bytes": len(page), "html_sha256": hashlib.sha256(page).hexdigest()}

    assert HTML.check({"username": "A&B", "count": 2, "seed": "04"}, output, None) is None
    assert HTML.check({"username": "A&B", "count": 2, "seed": "05"}, output, None)


@pytest.mark.network
@pytest.mark.parametrize("username", ["", "Zoë", "<b>\"&'</b>", "{{ 7 * 7 }}"])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_page_of_the_template_is_the_one_the_driver_builds(
    username: str, count: int, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    payload = {"username": username, "count": count, "seed": "12345"}

    assert HTML.check(payload, invoke(HTML, payload)["output"], storage) is None


# --- graph-bfs


def test_levels_of_a_path_are_the_ones_worked_out_by_hand() -> None:
    # One edge each. Vertex 1 can only draw 0. Then the ends are [0, 1, 0], and 2249608258 mod 3 = 1 draws 1: 0-1-2.
    payload = {"vertices": 3, "edges_per_vertex": 1, "searches": 5, "seed": "04", "roots": [0, 1]}
    from_the_end, from_the_middle = struct.pack("<3I", 0, 1, 2), struct.pack("<3I", 1, 0, 1)
    digests = [hashlib.sha256(levels).hexdigest() for levels in (from_the_end, from_the_middle)]
    counts = {"vertices": 3, "edges": 2, "searches": 5, "reached": 15}
    output = {**counts, "depths": [2, 1], "levels_sha256": digests}

    assert GRAPH.check(payload, output, None) is None
    assert "levels_sha256" in (GRAPH.check(payload, output | {"levels_sha256": digests[::-1]}, None) or "")
    assert "searches is 4" in (GRAPH.check(payload, output | {"searches": 4}, None) or "")


@pytest.mark.network
@pytest.mark.parametrize(("vertices", "edges_per_vertex"), [(1, 1), (1, 3), (2, 5), (50, 1), (300, 4)])
def test_igraph_and_the_driver_agree_on_graphs_of_any_shape(
    vertices: int, edges_per_vertex: int, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    parameters = {"vertices": vertices, "edges_per_vertex": edges_per_vertex}
    payload = GRAPH.payload(GRAPH.resolve("test", parameters), random.Random(vertices), storage)

    assert GRAPH.check(payload, invoke(GRAPH, payload)["output"], storage) is None


# --- crud-api


def test_cart_is_the_one_worked_out_by_hand() -> None:
    items = [
        {"sku": "b", "name": "B", "price_cents": 250, "quantity": 2},
        {"sku": "a", "name": "A", "price_cents": 100, "quantity": 1},
        {"sku": "c", "name": "C", "price_cents": 999, "quantity": 9},
    ]
    payload = {"items": items, "lookup": "c", "updates": {"a": 10}, "removals": ["c"]}
    output = {
        "looked_up_cents": 999,
        "items": 2,
        "pieces": 12,
        "total_cents": 1500,
        "cart_sha256": hashlib.sha256(b"a 10 100\nb 2 250\n").hexdigest(),
        "left": 0,
    }

    assert CART.check(payload, output, None) is None
    assert CART.check(payload, output | {"left": 1}, None) == "left is 1, expected 0"


def test_carts_on_one_table_at_once_do_not_mix_and_leave_nothing(tmp_path: Path) -> None:
    handler = runpy.run_path(str(CART.code("python").folder / "function.py"))["handler"]
    stand_in = runpy.run_path(str(Path(__file__).with_name("invoke_handler.py")))
    table = stand_in["Table"]()
    payloads = [CART.payload(CART.resolve("small", {}), random.Random(seed), None) for seed in range(4)]
    barrier = threading.Barrier(len(payloads), timeout=30)

    def invoke_in_step(payload: dict[str, Any]) -> dict[str, Any]:
        context = stand_in["Context"](tmp_path, table)
        phase = context.phase

        def phase_in_step(name: str) -> Any:
            barrier.wait()  # every cart is filled before any is read, and so on
            return phase(name)

        context.phase = phase_in_step
        return dict(handler(payload, context))

    with concurrent.futures.ThreadPoolExecutor(len(payloads)) as pool:
        outputs = list(pool.map(invoke_in_step, payloads))

    assert [CART.check(*pair, None) for pair in zip(payloads, outputs, strict=True)] == [None] * len(payloads)
    assert not any(table._partitions.values())


# --- compression


@pytest.fixture
def folder(storage: FolderStorage) -> dict[str, Any]:
    return ZIP.payload(ZIP.resolve("test", {"files": 3, "file_bytes": 5000}), random.Random(7), storage)


def archived(
    payload: dict[str, Any], storage: FolderStorage, contents: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED
) -> dict[str, Any]:
    """Upload a zip archive of `contents` and return the output a function would give."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    data = buffer.getvalue()
    key = payload["output_prefix"] + "request.zip"
    storage.put(key, data)
    return {"key": key, "input_bytes": 15000, "archive_bytes": len(data)}


def uploaded(payload: dict[str, Any], storage: FolderStorage) -> dict[str, bytes]:
    return {name: storage.get(payload["input_prefix"] + name) for name in payload["names"]}


def test_archive_by_another_tool_is_right(folder: dict[str, Any], storage: FolderStorage) -> None:
    backwards = dict(reversed(uploaded(folder, storage).items()))

    assert ZIP.check(folder, archived(folder, storage, backwards), storage) is None


def test_archive_that_is_not_the_folder_is_wrong(folder: dict[str, Any], storage: FolderStorage) -> None:
    right = uploaded(folder, storage)
    names = list(right)
    swapped = {names[0]: right[names[1]], names[1]: right[names[0]], names[2]: right[names[2]]}
    fewer = dict(itertools.islice(right.items(), 2))

    for wrong in (swapped, fewer, right | {"more.txt": b""}, right | {names[0]: right[names[0]][:-1]}):
        assert ZIP.check(folder, archived(folder, storage, wrong), storage)


def test_archive_that_was_only_stored_is_wrong(folder: dict[str, Any], storage: FolderStorage) -> None:
    stored = archived(folder, storage, uploaded(folder, storage), zipfile.ZIP_STORED)

    assert "not compressed" in (ZIP.check(folder, stored, storage) or "")


def test_archive_outside_of_its_place_is_wrong(folder: dict[str, Any], storage: FolderStorage) -> None:
    output = archived(folder, storage, uploaded(folder, storage))

    assert "is not below" in (ZIP.check(folder, output | {"key": "elsewhere.zip"}, storage) or "")


@pytest.mark.parametrize("damage", [slice(0, -30), slice(30, None), slice(0, 0)])
def test_archive_that_cannot_be_unpacked_is_wrong(
    damage: slice, folder: dict[str, Any], storage: FolderStorage
) -> None:
    output = archived(folder, storage, uploaded(folder, storage))
    data = storage.get(output["key"])[damage]
    storage.put(output["key"], data)
    honest = output | {"archive_bytes": len(data)}

    assert "cannot be unpacked" in (ZIP.check(folder, honest, storage) or "")


def test_text_compresses_as_text_does(folder: dict[str, Any], storage: FolderStorage) -> None:
    text = storage.get(folder["input_prefix"] + "000.txt")

    assert len(text) == 5000
    assert 0.2 < len(zlib.compress(text)) / len(text) < 0.7  # random bytes would be 1, a repeated line 0.02


def test_empty_files_are_archived_too(storage: FolderStorage, invoke: Callable[..., dict[str, Any]]) -> None:
    payload = ZIP.payload(ZIP.resolve("test", {"file_bytes": 0}), random.Random(1), storage)

    assert ZIP.check(payload, invoke(ZIP, payload)["output"], storage) is None


def test_level_changes_the_archive(storage: FolderStorage, invoke: Callable[..., dict[str, Any]]) -> None:
    sizes = []
    for level in (1, 9):
        payload = ZIP.payload(ZIP.resolve("test", {"level": level}), random.Random(1), storage)
        sizes.append(invoke(ZIP, payload)["output"]["archive_bytes"])

    assert sizes[1] < sizes[0]


# --- thumbnailer


def png(width: int, rows: list[bytes], colour: int = 2, depth: int = 8, interlaced: int = 0) -> bytes:
    """Return a PNG of rows that begin with their filter, made without the code under test."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, interlaced)
    pixels = zlib.compress(b"".join(rows))
    half = len(pixels) // 2
    body = chunk(b"IDAT", pixels[:half]) + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", pixels[half:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_all_five_filters_are_undone_as_by_hand() -> None:
    rows = [
        bytes([0, 250, 2, 3, 4, 5, 6]),  # none
        bytes([1, 10, 20, 30, 5, 5, 250]),  # left: 30 + 250 wraps to 24
        bytes([2, 1, 1, 1, 1, 1, 1]),  # above
        bytes([3, 0, 0, 0, 0, 0, 0]),  # mean of left and above, rounded down
        bytes([4, 0, 0, 0, 0, 0, 1]),  # Paeth
    ]

    decoded = driver(THUMBNAIL).decode(png(2, rows))

    assert [list(row) for row in decoded] == [
        [250, 2, 3, 4, 5, 6],
        [10, 20, 30, 15, 25, 24],
        [11, 21, 31, 16, 26, 25],
        [5, 10, 15, 10, 18, 20],  # (5+16)/2, (10+26)/2, (15+25)/2
        [5, 10, 15, 10, 18, 21],  # nearest to left + above - corner is above each time
    ]


def test_paeth_takes_the_nearest_and_prefers_left_then_above() -> None:
    paeth = driver(THUMBNAIL)._paeth

    assert paeth(1, 9, 5) == 5  # 1+9-5 = 5 is the corner
    assert paeth(10, 4, 4) == 10  # 10+4-4 = 10 is left
    assert paeth(6, 4, 5) == 5  # 5 is the corner, left and above are 1 off
    assert paeth(3, 5, 5) == 3
    assert paeth(2, 6, 3) == 6  # 5: above is 1 off, corner 2, left 3


def test_alpha_is_dropped() -> None:
    decoded = driver(THUMBNAIL).decode(png(2, [bytes([1, 1, 2, 3, 255, 1, 1, 1, 0])], colour=6))

    assert decoded == [bytes([1, 2, 3, 2, 3, 4])]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        png(1, [bytes(4)])[:-4],
        png(1, [bytes(4)]).replace(b"tEXta", b"tEXtb"),
        png(2, [bytes(4)]),
        png(1, [bytes([5, 0, 0, 0])]),
        png(1, [bytes(4)], interlaced=1),
        png(1, [bytes(7)], depth=16),
        png(1, [bytes(2)], colour=3),
        png(0, []),
    ],
    ids=["empty", "foreign", "cut", "checksum", "short", "filter", "interlaced", "deep", "palette", "nothing"],
)
def test_image_that_is_no_thumbnail_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        driver(THUMBNAIL).decode(data)


def test_box_filter_weighs_by_the_area_covered() -> None:
    # Three pixels to two: the first covers all of pixel 0 and half of pixel 1, in halves 2*0 + 1*30.
    assert driver(THUMBNAIL)._row_of_boxes((0, 1, 2, 30, 31, 32, 90, 91, 92), 2) == [30, 33, 36, 210, 213, 216]
    # Three rows to two, in halves: 2*0 + 1*30, then 1*30 + 2*90.
    rows = [bytes([0, 1, 2]), bytes([30, 31, 32]), bytes([90, 91, 92])]
    assert list(driver(THUMBNAIL)._sums_of_rows(rows, 2)) == [(30, 33, 36), (210, 213, 216)]


@pytest.mark.parametrize(
    ("size", "bounds", "fitted"),
    [((640, 480), (64, 64), (64, 48)), ((480, 640), (64, 64), (48, 64)), ((64, 64), (200, 100), (64, 64)),
     ((1000, 64), (16, 16), (16, 1))],
)  # fmt: skip
def test_thumbnail_keeps_the_shape_and_is_never_enlarged(
    size: tuple[int, int], bounds: tuple[int, int], fitted: tuple[int, int]
) -> None:
    assert driver(THUMBNAIL)._fitted(*size, *bounds) == fitted


@pytest.fixture
def picture(storage: FolderStorage) -> tuple[dict[str, Any], list[bytes]]:
    """Return a payload, and the rows of a thumbnail of 64 x 48 that is right."""
    payload = THUMBNAIL.payload(THUMBNAIL.resolve("test", {}), random.Random(3), storage)
    rows = driver(THUMBNAIL)._shrunk(payload["input_key"], 64, 48, storage)
    return payload, [bytes(round(value) for value in row) for row in rows]


def shown(payload: dict[str, Any], rows: list[bytes], storage: FolderStorage) -> str | None:
    """Upload a thumbnail and return what the check says of it."""
    data = png(len(rows[0]) // 3, [b"\0" + row for row in rows])
    key = payload["output_prefix"] + "request.png"
    storage.put(key, data)
    output = {"key": key, "width": len(rows[0]) // 3, "height": len(rows), "thumbnail_bytes": len(data)}
    return THUMBNAIL.check(payload, output, storage)


def test_thumbnail_of_the_right_picture_is_right(
    picture: tuple[dict[str, Any], list[bytes]], storage: FolderStorage
) -> None:
    payload, rows = picture

    assert shown(payload, rows, storage) is None
    assert shown(payload, [bytes(min(255, value + 3) for value in row) for row in rows], storage) is None


def test_thumbnail_of_a_wrong_picture_is_wrong(
    picture: tuple[dict[str, Any], list[bytes]], storage: FolderStorage
) -> None:
    payload, rows = picture
    mirrored = [b"".join(row[at : at + 3] for at in range(len(row) - 3, -1, -3)) for row in rows]
    blue_first = [b"".join(row[at : at + 3][::-1] for at in range(0, len(row), 3)) for row in rows]

    for wrong in (rows[::-1], mirrored, blue_first, [bytes(192)] * 48, [b"\x80" * 192] * 48):
        assert "differs from the image" in (shown(payload, wrong, storage) or "")


def test_thumbnail_of_a_wrong_size_is_wrong(
    picture: tuple[dict[str, Any], list[bytes]], storage: FolderStorage
) -> None:
    payload, rows = picture

    for wrong in (rows[:-2], [row[:-6] for row in rows], [row + row[-3:] for row in rows]):
        assert "thumbnail is " in (shown(payload, wrong, storage) or "")


@pytest.mark.network
@pytest.mark.parametrize("bounds", [(16, 16), (333, 77), (2000, 2000)])
def test_thumbnails_of_odd_sizes_are_right(
    bounds: tuple[int, int], storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    parameters = {"source_width": 333, "source_height": 77, "width": bounds[0], "height": bounds[1]}
    payload = THUMBNAIL.payload(THUMBNAIL.resolve("test", parameters), random.Random(5), storage)

    assert THUMBNAIL.check(payload, invoke(THUMBNAIL, payload)["output"], storage) is None
