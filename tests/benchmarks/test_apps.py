"""Applications and probes: drivers' sides against values worked out by hand, and what is special to one of them."""

from __future__ import annotations

import ast
import hashlib
import itertools
import math
import random
import statistics
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sebsx_benchmarks
from sebsx.contracts import benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conftest import FolderStorage

    from sebsx.contracts.benchmarks import Benchmark

ROOT = Path(sebsx_benchmarks.__file__).parent
ALL = {benchmark.name: benchmark for benchmark in map(benchmarks.load, benchmarks.discover(ROOT))}
STEPPED = ["graph-bfs", "graph-mst", "graph-pagerank", "video-processing"]

CLOCK, REPLY, NETWORK = ALL["clock-probe"], ALL["server-reply"], ALL["network-probe"]
RANK, TREE, DNA = ALL["graph-pagerank"], ALL["graph-mst"], ALL["dna-visualisation"]
VIDEO, IMAGE = ALL["video-processing"], ALL["image-recognition"]


def driver(benchmark: Benchmark) -> Any:
    return benchmark.driver.module


def suite(name: str) -> set[str]:
    return {benchmark.name for benchmark in ALL.values() if f"suite:{name}" in benchmark.groups}


# --- suites


def test_quick_suite_needs_no_packages() -> None:
    quick = suite("quick")

    assert quick >= {"sleep", "crud-api", "compression", "uploader", "clock-probe"}
    assert [name for name in quick if (ALL[name].code("python").folder / "requirements.txt").exists()] == []


def test_suites_hold_every_application_and_probe() -> None:
    assert suite("apps") >= {
        "dynamic-html", "uploader", "crud-api", "thumbnailer", "video-processing", "compression", "image-recognition",
        "graph-pagerank", "graph-mst", "graph-bfs", "dna-visualisation",
    }  # fmt: skip
    assert suite("micro") >= {"sleep", "clock-probe", "server-reply", "network-probe"}


@pytest.mark.parametrize("name", STEPPED)
def test_steps_of_the_arm_study_grow_in_equal_parts(name: str) -> None:
    steps = ALL[name].steps
    assert steps is not None
    assert steps.count == 40

    values = [ALL[name].resolve(str(step), {})[steps.parameter] for step in range(1, 41)]

    assert values == [values[0] * step for step in range(1, 41)]
    assert "suite:arm-study" in ALL[name].groups
    assert ALL[name].external_binary == (name == "video-processing")


@pytest.mark.soak
@pytest.mark.network
@pytest.mark.parametrize("name", STEPPED)
def test_cpu_time_grows_in_a_straight_line_with_the_step(
    name: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    steps = ALL[name].steps
    assert steps is not None
    values = [round(steps.value(step) / 50) for step in (4, 10, 18, 25, 33, 40)]

    def cpu_s(value: int) -> float:
        parameters = ALL[name].resolve("1", {steps.parameter: value})
        payload = ALL[name].payload(parameters, random.Random(1), storage)
        return statistics.median(invoke(ALL[name], payload)["cpu_s"] for _ in range(3))

    squares = []
    for _ in range(3):  # the machine may have been busy
        squares.append(statistics.correlation(values, [cpu_s(value) for value in values]) ** 2)
        if squares[-1] >= 0.97:
            return
    pytest.fail(f"R^2 of a straight line was {squares}")


# --- clock-probe


def clocks(wall_s: Sequence[float], monotonic_s: Sequence[float]) -> str:
    payload = {"reads": 3, "interval_s": 0.5, "token": "t", "padding": "abc"}
    output = {"token": "t", "padding_crc32": 0x352441C2, "wall_s": wall_s, "monotonic_s": monotonic_s}
    return CLOCK.check(payload, output, None) or ""


def test_clocks_that_agree_are_right_and_an_offset_is_no_error() -> None:
    assert clocks([1.9e9, 1.9e9 + 0.5, 1.9e9 + 1.5], [7.0, 7.5, 8.0]) == ""


@pytest.mark.parametrize(
    ("wall_s", "monotonic_s", "problem"),
    [
        ([1.9e9, 1.9e9 + 0.5, 1.9e9 + 3], [7.0, 7.5, 8.0], "differ by 2.000 s"),
        ([1.9e9, 1.9e9 + 0.5, 1.9e9 + 1], [7.0, 7.4, 8.0], "in a pause of 0.5 s"),
        ([1.9e9, 1.9e9 + 0.5, 1.9e9 + 1], [7.0, math.nan, 8.0], "in a pause of 0.5 s"),
        ([0.0, 0.5, 1.0], [7.0, 7.5, 8.0], "wall clock says 0.0"),
        ([1.9e9, 1.9e9 + 0.5], [7.0, 7.5, 8.0], "wall_s has 2 readings, expected 3"),
    ],
)
def test_clocks_that_cannot_be_are_wrong(wall_s: list[float], monotonic_s: list[float], problem: str) -> None:
    assert problem in clocks(wall_s, monotonic_s)


# --- server-reply, network-probe


def test_message_does_not_compress_and_a_shorter_reply_is_its_start(invoke: Callable[..., dict[str, Any]]) -> None:
    parameters = REPLY.resolve("test", {"message_bytes": 1000, "reply_bytes": 10, "duration_s": 0})
    payload = REPLY.payload(parameters, random.Random(1), None)

    output = invoke(REPLY, payload)["output"]

    assert len(set(payload["message"])) == 64
    assert output["reply"] == payload["message"][:10]
    assert REPLY.check(payload, output, None) is None
    assert REPLY.check(payload, output | {"reply": payload["message"][:11]}, None)
    assert "held for" in (REPLY.check(payload | {"duration_s": 60}, output, None) or "")


@pytest.mark.parametrize("bad", [0.0, -1e-3, math.inf, math.nan])
def test_round_trip_that_took_no_real_time_is_wrong(
    bad: float, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    payload = NETWORK.payload(NETWORK.resolve("test", {}), random.Random(1), storage)
    output = invoke(NETWORK, payload)["output"]

    assert len(output["upload_s"]) == len(output["download_s"]) == 5
    wrong = output | {"upload_s": [*output["upload_s"][:-1], bad]}
    assert "not a duration" in (NETWORK.check(payload, wrong, storage) or "")


# --- graphs


def test_all_graphs_are_grown_by_the_same_code() -> None:
    sources = set()
    for name in ("graph-bfs", "graph-mst", "graph-pagerank"):
        text = (ALL[name].code("python").folder / "function.py").read_text()
        functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
        sources.add(ast.get_source_segment(text, functions["barabasi_albert"]))

    assert len(sources) == 1


def test_ranks_of_a_path_are_the_ones_worked_out_by_hand() -> None:
    # The path 0-1-2, see test_checks_are_independent: c = 0.05 + 1.7 e, e = 0.05 + 0.425 c; c = 18/37, e = 19/74.
    payload = {"vertices": 3, "edges_per_vertex": 1, "rankings": 2, "seed": "04", "dampings": [0.85]}
    top = [[1, 18 / 37], [2, 19 / 74], [0, 19 / 74]]  # the ends are equal, so either may come first

    def problem(**changes: Any) -> str:
        ranking = {"top": top, "rank_sum": 1.0, "mean_vertex": 1.0, **changes}
        output = {"vertices": 3, "edges": 2, "rankings": 2, "by_damping": [ranking]}
        return RANK.check(payload, output, None) or ""

    assert problem() == ""
    assert "vertex 1 has rank 0.4864" in problem(top=[[1, 18 / 37 * (1 + 2e-6)], *top[1:]])
    assert problem(top=[top[1], top[0], top[2]]), "the best must come first"
    assert problem(top=[top[0], top[1], top[1]]), "no vertex twice"
    assert "rank_sum is 1.1" in problem(rank_sum=1.1)


def test_tree_of_a_double_edge_is_the_lighter_one_of_each_order() -> None:
    # Two vertices can only be joined to each other, by an edge of weight 5 or one of weight 10; then by 10 or by 5.
    payload = {"vertices": 2, "edges_per_vertex": 2, "trees": 3, "seed": "04", "weight_factor": 5}
    first, second = (hashlib.sha256(struct.pack("<I", edge)).hexdigest() for edge in (0, 1))
    counts = {"vertices": 2, "edges": 2, "trees": 3, "tree_edges": [1, 1], "tree_weights": [5, 5]}
    output = {**counts, "trees_sha256": [first, second]}

    assert TREE.check(payload, output, None) is None
    assert "trees_sha256" in (TREE.check(payload, output | {"trees_sha256": [first, first]}, None) or "")


@pytest.mark.network
@pytest.mark.parametrize("name", ["graph-mst", "graph-pagerank"])
@pytest.mark.parametrize(("vertices", "edges_per_vertex"), [(1, 1), (2, 5), (50, 1), (300, 4)])
def test_igraph_and_the_driver_agree_on_graphs_of_any_shape(
    name: str, vertices: int, edges_per_vertex: int, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    parameters = {"vertices": vertices, "edges_per_vertex": edges_per_vertex}
    payload = ALL[name].payload(ALL[name].resolve("test", parameters), random.Random(vertices), storage)

    assert ALL[name].check(payload, invoke(ALL[name], payload)["output"], storage) is None


# --- dna-visualisation


def test_points_of_the_four_bases_are_those_of_squiggles_documentation() -> None:
    # The example of squiggle.transform("ATGC"), https://squiggle.readthedocs.io
    assert driver(DNA).points_of("ATGC") == {
        "x": [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0],
        "y": [0, 0.5, 0, -0.5, -1, -0.5, 0, -0.5, 0],
    }


def test_one_wrong_point_is_caught(storage: FolderStorage) -> None:
    payload = DNA.payload(DNA.resolve("test", {"bases": 3}), random.Random(1), storage)
    points = driver(DNA).points_of(driver(DNA)._sequence(payload["input_key"], storage))

    def answer(text: str) -> str:
        key = payload["output_prefix"] + "x.json"
        storage.put(key, text.encode())
        digest = hashlib.sha256(text.encode()).hexdigest()
        output = {"key": key, "bases": 3, "points": 7, "result_bytes": len(text), "result_sha256": digest}
        return DNA.check(payload, output, storage) or ""

    assert answer(str(points).replace("'", '"')) == ""
    points["y"][3] += 1e-5
    assert "y of point 3 is" in answer(str(points).replace("'", '"'))
    assert "not JSON" in answer("{")


# --- video-processing


def test_lzw_of_a_published_picture_is_unpacked() -> None:
    # The sample picture of "What's in a GIF" by M. Flickinger, https://giflib.sourceforge.net/whatsinagif/
    packed = bytes.fromhex("8c2d99872a1cdc33a00275ec95faa8de608c04914c01")
    rows = [[1] * 5 + [2] * 5] * 3 + [[1] * 3 + [0] * 4 + [2] * 3] * 2
    rows += [[2] * 3 + [0] * 4 + [1] * 3] * 2 + [[2] * 5 + [1] * 5] * 3

    assert driver(VIDEO).unpack(packed, 2) == bytes(itertools.chain(*rows))
    with pytest.raises(ValueError, match="no end"):
        driver(VIDEO).unpack(packed[:-2], 2)


def gif(width: int, height: int, frames: Sequence[Sequence[bytes]]) -> bytes:
    """Return a GIF of frames with at most 256 colours together: codes of 9 bits, cleared before they would grow."""
    palette = sorted({row[at : at + 3] for rows in frames for row in rows for at in range(0, len(row), 3)})
    table = b"".join(palette).ljust(768, b"\0")
    out = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF7, 0, 0), table]
    for rows in frames:
        codes = []
        for number, pixel in enumerate(row[at : at + 3] for row in rows for at in range(0, len(row), 3)):
            codes += [256] if number % 100 == 0 else []
            codes.append(palette.index(pixel))
        bits = sum(code << 9 * place for place, code in enumerate([*codes, 257]))
        packed = bits.to_bytes(9 * (len(codes) + 1) // 8 + 1, "little")
        blocks = [packed[start : start + 255] for start in range(0, len(packed), 255)]
        out += [b"\x2c", struct.pack("<HHHHB", 0, 0, width, height, 0), b"\x08"]
        out += [bytes((len(block),)) + block for block in blocks] + [b"\0"]
    return b"".join([*out, b"\x3b"])


def test_gif_is_right_only_if_every_frame_shows_what_it_should(storage: FolderStorage) -> None:
    payload = VIDEO.payload(VIDEO.resolve("test", {"frames": 3, "width": 64, "height": 48}), random.Random(1), storage)
    plain = [[colour * 64] * 48 for colour in (b"\xff\0\0", b"\0\xff\0", b"\0\0\xff")]
    for number, rows in enumerate(plain):
        storage.put(f"{payload['frames_prefix']}{number:03}.png", driver(VIDEO).encode(rows, 3))
    mark = driver(VIDEO).decode(storage.get(payload["watermark_key"]), 4)
    assert (len(mark[0]) // 4, len(mark)) == (12, 8)
    marked = [[bytearray(row) for row in rows] for rows in plain]
    for rows in marked:
        for y, x in itertools.product(range(8), range(12)):  # 64 - 12 - 4 and 48 - 8 - 4: the corner less the margin
            for channel in range(3):
                place = 3 * (48 + x) + channel
                over = mark[y][4 * x + channel] * 160 + rows[36 + y][place] * 95
                rows[36 + y][place] = over // 255
    shown = [[bytes(row) for row in rows] for rows in marked]

    def answer(data: bytes) -> str:
        key = payload["output_prefix"] + "x.gif"
        storage.put(key, data)
        output = {"key": key, "encodings": 1, "distinct": 1, "gif_bytes": len(data)}
        return VIDEO.check(payload, output | {"gif_sha256": hashlib.sha256(data).hexdigest()}, storage) or ""

    assert answer(gif(64, 48, shown)) == ""
    assert "watermark of frame 0 differs" in answer(gif(64, 48, plain))
    assert "frame 1 differs by" in answer(gif(64, 48, [shown[0], shown[2], shown[1]]))
    assert "2 frames, expected 3" in answer(gif(64, 48, shown[:2]))
    assert "GIF is 32 x 96, expected 64 x 48" in answer(gif(32, 96, shown))
    assert "cannot be read" in answer(gif(64, 48, shown) + b"x")
    assert "cannot be read" in answer(b"GIF87a" + gif(64, 48, shown)[6:])


def test_encodings_that_differ_are_wrong(storage: FolderStorage) -> None:
    payload = VIDEO.payload(VIDEO.resolve("test", {"repeats": 2}), random.Random(1), storage)
    key = payload["output_prefix"] + "x.gif"
    storage.put(key, b"GIF")
    output = {"key": key, "gif_bytes": 3, "gif_sha256": hashlib.sha256(b"GIF").hexdigest()}

    assert "2 encodings gave 2 GIFs" in (VIDEO.check(payload, output | {"encodings": 2, "distinct": 2}, storage) or "")
    assert "1 encodings gave" in (VIDEO.check(payload, output | {"encodings": 1, "distinct": 1}, storage) or "")


# --- image-recognition


def test_parts_of_a_widened_weight_add_up_to_it_in_every_copy() -> None:
    weights = [1.0, -2.0, 4.0, 8.0]  # one output, two inputs, kernels of two places

    wide = struct.unpack("<24f", driver(IMAGE)._widened(driver(IMAGE).array.array("f", weights), 1, 2, 2, 3, 2,
                                                       random.Random(1)))  # fmt: skip

    for copy in (wide[:12], wide[12:]):
        for channel, place in itertools.product(range(2), range(2)):
            parts = copy[channel * 6 + place : (channel + 1) * 6 : 2]
            assert sum(parts) == pytest.approx(weights[channel * 2 + place], rel=1e-6)
            assert len(set(parts)) == 3
    assert wide[:12] != wide[12:]


def test_convolution_is_the_one_worked_out_by_hand() -> None:
    # One channel, kernel 3 x 3 of ones, stride 2, no deviation: sums of the neighbours that exist, doubled, plus 1.
    one = driver(IMAGE).array.array("f", [1.0])
    norm = (one, one, driver(IMAGE).array.array("f", [0.0]), driver(IMAGE).array.array("f", [0.25 - 1e-5]))
    layer = driver(IMAGE).Layer("x", 1, 1, 3, 2, one * 9, norm)
    picture = [[(1.0,), (2.0,), (3.0,)], [(4.0,), (5.0,), (6.0,)], [(7.0,), (8.0,), (9.0,)]]

    (a, b), (c, d) = driver(IMAGE)._convolve(layer, picture)

    assert [a[0], b[0], c[0], d[0]] == pytest.approx([25.0, 33.0, 49.0, 57.0], rel=1e-4)  # 12, 16, 24, 28
    assert driver(IMAGE)._pool(picture) == [[(5.0,), (6.0,)], [(8.0,), (9.0,)]]


@pytest.mark.slow
def test_score_beyond_the_tolerance_is_wrong(storage: FolderStorage) -> None:
    payload = IMAGE.payload(IMAGE.resolve("test", {}), random.Random(1), storage)
    right = driver(IMAGE)._expected(payload["seed"], payload["pixels"])
    allowed = 1e-3 * max(map(abs, right))

    def answer(change: float) -> str:
        scores = [*right[:500], right[500] + change, *right[501:]]
        data = struct.pack("<1000f", *scores)
        stored = struct.unpack("<1000f", data)
        best = sorted(range(1000), key=lambda number: -stored[number])[:5]
        key = payload["output_prefix"] + "x.f32"
        storage.put(key, data)
        output = {"key": key, "scores_sha256": hashlib.sha256(data).hexdigest()}
        return IMAGE.check(payload, output | {"top": [[number, stored[number]] for number in best]}, storage) or ""

    assert answer(0.5 * allowed) == ""
    assert "score of class 500 is" in answer(1.5 * allowed)
    assert "score of class 500 is" in answer(math.nan)


def test_scores_depend_on_the_image_far_more_than_the_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = driver(IMAGE)._expected.__wrapped__
    one = scores(1, 32)
    picture = driver(IMAGE)._image
    monkeypatch.setattr(driver(IMAGE), "_image", lambda seed, pixels: picture(seed + 1, pixels))
    other = scores(1, 32)

    differences = [abs(a - b) for a, b in zip(one, other, strict=True)]
    assert statistics.median(differences) > 10 * 1e-3 * max(map(abs, one))


@pytest.mark.network
@pytest.mark.parametrize(("widening", "pixels"), [(2, 33), (3, 47), (5, 64)])
def test_onnx_runtime_and_the_driver_agree_on_networks_of_any_width(
    widening: int, pixels: int, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    parameters = IMAGE.resolve("test", {"widening": widening, "pixels": pixels})
    payload = IMAGE.payload(parameters, random.Random(widening), storage)

    assert IMAGE.check(payload, invoke(IMAGE, payload)["output"], storage) is None
