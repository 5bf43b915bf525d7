"""What is special in the FunctionBench and ServerlessBench classics: values of standards, wrong work that is caught."""

from __future__ import annotations

import hashlib
import json
import random
import runpy
import subprocess
import sys
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

ROOT = Path(sebsx_benchmarks.__file__).parent / "classics"


def load(name: str) -> Benchmark:
    return benchmarks.load(ROOT / name)


def function(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / name / "python" / "function.py"))


def make_payload(benchmark: Benchmark, storage: FolderStorage | None = None, **parameters: Any) -> dict[str, Any]:
    return benchmark.payload(benchmark.resolve("test", parameters), random.Random(7), storage)


def crc32(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/benchmark.toml")), ids=lambda path: path.parent.name)
def test_manifest_names_the_suite_and_the_paper(path: Path) -> None:
    benchmark = benchmarks.load(path.parent)

    assert "suite:classics" in benchmark.groups
    assert any(paper in benchmark.source for paper in ("Kim and Lee, IEEE CLOUD 2019", "Yu et al., SoCC 2020"))


# --- pyaes

# SP 800-38A, F.5.1: CTR-AES128.Encrypt
CTR_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
CTR_COUNTER = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
CTR_PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
CTR_ENCRYPTED = bytes.fromhex(
    "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
    "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"
)
# FIPS 197, appendix C.1
BLOCK_KEY = bytes(range(16))
BLOCK_PLAIN = bytes.fromhex("00112233445566778899aabbccddeeff")
BLOCK_ENCRYPTED = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")


def test_aes_of_the_function_is_the_standards() -> None:
    aes = function("pyaes")

    assert aes["encrypt_block"](aes["expand_key"](BLOCK_KEY), BLOCK_PLAIN) == BLOCK_ENCRYPTED
    assert aes["counter_mode"](CTR_KEY, CTR_COUNTER, CTR_PLAIN) == CTR_ENCRYPTED
    assert aes["counter_mode"](CTR_KEY, CTR_COUNTER, CTR_ENCRYPTED[:37]) == CTR_PLAIN[:37]


def test_aes_of_the_driver_is_the_standards() -> None:
    keystream = load("pyaes").driver.module.keystream

    assert keystream(BLOCK_KEY, BLOCK_PLAIN, 1) == BLOCK_ENCRYPTED
    pad = keystream(CTR_KEY, CTR_COUNTER, 4)
    assert bytes(a ^ b for a, b in zip(pad, CTR_PLAIN, strict=True)) == CTR_ENCRYPTED


@pytest.mark.parametrize("message_bytes", [0, 1, 15, 16, 17, 4113])
def test_message_of_any_length_is_encrypted(message_bytes: int, invoke: Callable[..., dict[str, Any]]) -> None:
    benchmark = load("pyaes")
    payload = make_payload(benchmark, message_bytes=message_bytes)

    assert benchmark.check(payload, invoke(benchmark, payload)["output"], None) is None


# --- disk


def test_file_is_the_one_written_by_hand() -> None:
    pattern = hashlib.shake_256(b"00").digest(16)[8:]
    file = bytes(8) + pattern + bytes([1]) + bytes(7) + pattern
    stamps = bytes(8) + bytes([1]) + bytes(7)
    output = {"written_bytes": 32, "read_bytes": 32, "stamps_crc32": crc32(stamps), "file_crc32": crc32(file)}
    payload = {"blocks": 2, "block_bytes": 16, "passes": 1, "seed": "00"}

    assert load("sequential-disk-io").check(payload, output, None) is None
    swapped = {**output, "file_crc32": crc32(file[16:] + file[:16])}
    assert "file_crc32" in (load("sequential-disk-io").check(payload, swapped, None) or "")
    again = {"written_bytes": 64, "read_bytes": 64, "stamps_crc32": crc32(stamps * 2), "file_crc32": crc32(file)}
    assert "stamps_crc32" in (load("sequential-disk-io").check(payload | {"passes": 2}, again, None) or "")


def test_the_last_of_two_writes_at_a_place_stays() -> None:
    # One block, so that every place is 0: prepared with number 0, then written with 1 and 2; both reads find 2.
    pattern = hashlib.shake_256(b"00").digest(512)[8:]
    two = bytes([2]) + bytes(7)
    output = {
        "written_bytes": 1024,
        "read_bytes": 1024,
        "read_sha256": sha256(two + two),
        "file_crc32": crc32(two + pattern),
    }
    payload = {"blocks": 1, "block_bytes": 512, "operations": 2, "pattern_seed": "00", "place_seed": "01"}

    assert load("random-disk-io").check(payload, output, None) is None


@pytest.mark.parametrize("parameters", [{"operations": 0}, {"block_bytes": 1048576, "operations": 3}])
def test_random_places_of_any_number_and_size(
    parameters: dict[str, int], invoke: Callable[..., dict[str, Any]]
) -> None:
    benchmark = load("random-disk-io")
    payload = make_payload(benchmark, file_mib=2, **parameters)

    assert benchmark.check(payload, invoke(benchmark, payload)["output"], None) is None


def test_copy_has_a_hole_of_zeros_where_nothing_was_written() -> None:
    pattern = hashlib.shake_256(b"00").digest(16)[8:]
    copy = bytes(16) + bytes([5]) + bytes(7) + pattern + bytes([6]) + bytes(7) + pattern
    payload = {"block_bytes": 16, "count": 2, "skip": 5, "seek": 1, "copies": 3, "seed": "00"}
    output = {"records_in": 6, "records_out": 6, "copied_bytes": 96, "copy_crc32": crc32(copy)}

    assert load("dd").check(payload, output, None) is None
    assert load("dd").check(payload, output | {"copy_crc32": crc32(copy[16:])}, None)


@pytest.mark.parametrize(("count", "block_bytes"), [(0, 1024), (1, 8), (3, 1048576)])
def test_copy_of_any_number_and_size_of_blocks(
    count: int, block_bytes: int, invoke: Callable[..., dict[str, Any]]
) -> None:
    benchmark = load("dd")
    payload = make_payload(benchmark, count=count, block_bytes=block_bytes)

    assert benchmark.check(payload, invoke(benchmark, payload)["output"], None) is None


# --- object-storage-io


def test_damaged_copy_of_any_object_is_caught(storage: FolderStorage, invoke: Callable[..., dict[str, Any]]) -> None:
    benchmark = load("object-storage-io")
    payload = make_payload(benchmark, storage, objects=3, object_kib=1)
    output = invoke(benchmark, payload)["output"]
    folder = output["key"].removesuffix(".index")

    for name in payload["names"]:
        whole = storage.get(f"{folder}/{name}")
        storage.put(f"{folder}/{name}", whole[:-1])
        assert name in (benchmark.check(payload, output, storage) or "")
        storage.delete(f"{folder}/{name}")
        assert name in (benchmark.check(payload, output, storage) or "")
        storage.put(f"{folder}/{name}", whole)
    assert benchmark.check(payload, output, storage) is None


# --- long-chain


def test_chain_of_one_stage_is_the_one_worked_out_by_hand() -> None:
    first = b'{"items":[2],"previous_sha256":"' + b"0" * 64 + b'","stage":0}'
    last = b'{"items":[63],"previous_sha256":"' + sha256(first).encode() + b'","stage":1}'  # 31 * 2 + 1
    output = {"stages": 1, "total": 63, "state_bytes": len(last), "state_sha256": sha256(last)}

    assert load("long-chain").check({"stages": 1, "items": [2]}, output, None) is None


def test_longest_chain_stays_below_the_recursion_limit(invoke: Callable[..., dict[str, Any]]) -> None:
    benchmark = load("long-chain")
    payload = make_payload(benchmark, stages=benchmark.parameters["stages"].maximum, items=1)

    assert benchmark.check(payload, invoke(benchmark, payload)["output"], None) is None


# --- data-transfer


@pytest.mark.parametrize("payload_kib", [0, 1, 3])
def test_payload_has_the_size_asked_for_and_an_echo_is_wrong(payload_kib: int) -> None:
    benchmark = load("data-transfer")
    payload = make_payload(benchmark, payload_kib=payload_kib)
    data = payload["data"]
    output = {"data": data[::-1], "received_bytes": len(data), "received_sha256": sha256(data.encode())}

    assert len(data) == 1024 * payload_kib
    assert benchmark.check(payload, output, None) is None
    assert payload_kib == 0 or benchmark.check(payload, output | {"data": data}, None)


# --- startup-dependencies


@pytest.mark.slow
def test_every_module_on_the_lists_can_be_imported_and_used(invoke: Callable[..., dict[str, Any]]) -> None:
    benchmark = load("startup-dependencies")
    modules = benchmark.driver.module.USED + benchmark.driver.module.UNUSED
    payload = make_payload(benchmark, used=16, unused=48)

    output = invoke(benchmark, payload)["output"]

    assert benchmark.check(payload, output, None) is None
    assert len(output["sums"]) == 16
    assert len(set(modules)) == output["loaded"] == 64


@pytest.mark.slow
def test_unused_modules_cost_time_in_the_first_call_only(tmp_path: Path) -> None:
    benchmark = load("startup-dependencies")
    payload = make_payload(benchmark, unused=12)
    script = (
        "import contextlib, json, runpy, sys, types\n"
        "context = types.SimpleNamespace(phase=lambda name: contextlib.nullcontext())\n"
        "handler = runpy.run_path(sys.argv[1])['handler']\n"
        "print(json.dumps([handler(json.loads(sys.argv[2]), context) for _ in range(2)]))\n"
    )
    command = [sys.executable, "-I", "-S", "-c", script, ROOT / "startup-dependencies/python/function.py"]
    done = subprocess.run([*command, json.dumps(payload)], capture_output=True, text=True, check=True, cwd=tmp_path)

    cold, warm = json.loads(done.stdout)

    assert cold["sums"] == warm["sums"]
    assert cold["import_unused_s"] > 5 * warm["import_unused_s"]


def test_module_that_was_not_imported_is_missed() -> None:
    benchmark = load("startup-dependencies")
    output = {"loaded": 2, "sums": {"ast": 3}, "import_used_s": 0.1, "import_unused_s": 0.02}
    payload = {"used": ["ast"], "unused": ["pdb"], "numbers": [1, 2]}

    assert benchmark.check(payload, output, None) is None
    assert benchmark.check(payload, output | {"loaded": 1}, None) == "loaded is 1, expected 2"
    assert benchmark.check(payload, output | {"import_used_s": float("nan")}, None)


# --- feature-extraction


def test_weights_are_the_ones_worked_out_by_hand(storage: FolderStorage) -> None:
    # "b" is in both reviews: it weighs 1. "a" is in one of two: ln(3 / 2) + 1 = 1.405465. Twice "a" and once "b":
    # (2.810930, 1) has length 2.983510, so 0.942156 and 0.335176.
    storage.put("in", b"4/5: A b, a!\n1/5: B.\n")
    features = b"a:0.942156 b:0.335176\nb:1.000000\n"
    storage.put("out/features", features)
    output = {
        "key": "out/features",
        "reviews": 2,
        "words": 4,
        "terms": 2,
        "features_bytes": len(features),
        "features_sha256": sha256(features),
    }
    payload = {"input_key": "in", "output_prefix": "out/"}

    assert load("feature-extraction").check(payload, output, storage) is None
    wrong = features.replace(b"0.335176", b"0.335180")
    storage.put("out/features", wrong)
    problem = load("feature-extraction").check(payload, output | {"features_sha256": sha256(wrong)}, storage)
    assert problem == "term 'b' of review 0 weighs 0.33518, expected 0.335176"


# --- matmul


def test_one_wrong_element_of_the_product_is_caught() -> None:
    benchmark = load("matmul")
    payload = make_payload(benchmark, n=3)

    def signed(label: str, count: int) -> list[int]:
        drawn = hashlib.shake_256(f"{label} {payload['seed']}".encode()).digest(count)
        return [byte - 256 if byte > 127 else byte for byte in drawn]

    left, right, u, v = signed("left", 9), signed("right", 9), signed("u", 3), signed("v", 3)
    product = [sum(left[3 * i + k] * right[3 * k + j] for k in range(3)) for i in range(3) for j in range(3)]

    def output(elements: list[int]) -> dict[str, Any]:
        return {
            "n": 3,
            "products": payload["products"],
            "elements": [elements[3 * i + j] for i, j in zip(payload["rows"], payload["columns"], strict=True)],
            "checksum": sum(u[i] * elements[3 * i + j] * v[j] for i in range(3) for j in range(3)),
        }

    assert benchmark.check(payload, output(product), None) is None
    for place in range(9):
        assert benchmark.check(payload, output([*product[:place], product[place] + 1, *product[place + 1 :]]), None)


@pytest.mark.network
@pytest.mark.parametrize("n", [1, 2, 33])
def test_numpy_and_the_driver_agree_on_products_of_any_size(n: int, invoke: Callable[..., dict[str, Any]]) -> None:
    benchmark = load("matmul")
    payload = make_payload(benchmark, n=n)

    assert benchmark.check(payload, invoke(benchmark, payload)["output"], None) is None


# --- linpack


def test_solution_must_fit_every_equation() -> None:
    # The matrix is the seed's first four bytes, signed; with x = (1, 0) the right side is its first column.
    benchmark = load("linpack")
    drawn = hashlib.shake_256(b"00").digest(4)
    column = [byte - 256 if byte > 127 else byte for byte in drawn[::2]]
    payload = {"n": 2, "seed": "00", "right_side": column}

    assert benchmark.check(payload, {"solution": [1, 0], "residual": 0.5}, None) is None
    assert "equation 0 gives" in (benchmark.check(payload, {"solution": [1, 1], "residual": 0.5}, None) or "")
    assert "2 values" in (benchmark.check(payload | {"n": 3}, {"solution": [1, 0], "residual": 0.5}, None) or "")
    for residual in (16.0, -0.1, float("nan")):
        assert "residual" in (benchmark.check(payload, {"solution": [1, 0], "residual": residual}, None) or "")


# --- model-training


@pytest.mark.network
def test_model_that_was_hardly_trained_is_caught(invoke: Callable[..., dict[str, Any]]) -> None:
    benchmark = load("model-training")
    payload = make_payload(benchmark, epochs=30)
    hasty = invoke(benchmark, payload | {"epochs": 2})["output"]

    assert benchmark.check(payload, invoke(benchmark, payload)["output"], None) is None
    assert "is not trained" in (benchmark.check(payload, hasty | {"epochs": 30}, None) or "")


def test_loss_of_a_model_that_knows_nothing_is_that_of_a_coin() -> None:
    # All margins are 0: each example costs ln 2, and the class taken is the one below 0.
    benchmark = load("model-training")
    payload = make_payload(benchmark, rows=100)
    _, labels = benchmark.driver.module._examples(100, payload["seed"], tuple(payload["hidden_weights"]))
    output = {
        "epochs": 50,
        "weights": [0.0] * 16,
        "bias": 0.0,
        "loss": 0.6931471805599453,
        "correct": labels.count(False),
    }

    assert "is not trained" in (benchmark.check(payload, output, None) or "")
    assert "loss is 0.7" in (benchmark.check(payload, output | {"loss": 0.7}, None) or "")


# --- rnn-generation


@pytest.mark.network
@pytest.mark.parametrize(("names", "hidden"), [(1, 128), (2, 1), (7, 33)])
def test_numpy_and_the_driver_write_the_same_names(
    names: int, hidden: int, invoke: Callable[..., dict[str, Any]]
) -> None:
    benchmark = load("rnn-generation")
    payload = make_payload(benchmark, names=names, hidden=hidden)

    assert benchmark.check(payload, invoke(benchmark, payload)["output"], None) is None


def test_another_letter_in_a_name_is_caught() -> None:
    benchmark = load("rnn-generation")
    payload = make_payload(benchmark, names=3, hidden=4)
    right = list(benchmark.driver.module._expected(3, 4, payload["weights_seed"], payload["names_seed"]).values())

    def output(names: list[str]) -> dict[str, Any]:
        return {"names": names, "characters": sum(map(len, names))}

    assert len(right) == 3
    assert benchmark.check(payload, output(right), None) is None
    assert "there are 2 names" in (benchmark.check(payload, output(right[1:]), None) or "")
    for number, name in enumerate(right):
        other = "b" if name[-1] == "a" else "a"
        for wrong in (name[:-1] + other, name[:-1] + "A", "", "a" * 21):
            assert f"name {number} is" in (
                benchmark.check(payload, output([*right[:number], wrong, *right[number + 1 :]]), None) or ""
            )


# --- image-processing


def test_pictures_are_the_ones_worked_out_by_hand() -> None:
    driver = load("image-processing").driver.module
    red, green, blue, white, black = b"\xff\0\0", b"\0\xff\0", b"\0\0\xff", b"\xff\xff\xff", b"\0\0\0"
    rows = [red + green, blue + white]

    assert driver.mirrored(rows) == [green + red, white + blue]
    assert driver.rotated(rows) == [green + white, red + blue]
    # 0.299, 0.587 and 0.114 of 255 are 76.2, 149.7 and 29.1.
    assert driver.grey(rows) == [bytes([76, 150]), bytes([29, 255])]
    # (255 + 0 + 0 + 255 + 2) / 4 = 128 for every channel.
    assert driver.halved(rows) == [bytes([128, 128, 128])]
    # One white pixel in the middle gives itself 4 / 16 of 255: 63.75.
    middle = [black * 3, black + white + black, black * 3]
    assert driver.smoothed(middle) == [black * 3, black + bytes([64, 64, 64]) + black, black * 3]
    assert driver.smoothed([white * 4] * 4) == [white * 4] * 4


@pytest.mark.network
@pytest.mark.parametrize(("width", "height"), [(16, 16), (17, 33), (501, 18)])
def test_pillow_and_the_driver_agree_on_images_of_any_shape(
    width: int, height: int, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    benchmark = load("image-processing")
    payload = make_payload(benchmark, storage, width=width, height=height)

    assert benchmark.check(payload, invoke(benchmark, payload)["output"], storage) is None


# --- face-detection


def test_face_must_be_found_once_where_it_is(storage: FolderStorage) -> None:
    # A face of 50 pixels in the middle of 160 x 160: the centre may be off by 10, the side be 35.7 to 70.
    benchmark = load("face-detection")
    image = b"P5\n160 160\n255\n" + bytes(160 * 160)
    storage.put("in/input.pgm", image)
    storage.put("in/truth.json", b"[[55, 55, 50]]")
    payload = {"input_key": "in/input.pgm", "output_prefix": "out/", "windows": [160]}

    def problem(*faces: list[int]) -> str:
        storage.put("out/image", benchmark.driver.module.outlined(160, 160, bytes(160 * 160), faces))
        output = {"key": "out/image", "faces": list(faces), "looked_at": 1}
        return benchmark.check(payload, output, storage) or ""

    assert problem([55, 55, 50]) == problem([65, 45, 50]) == problem([45, 45, 70]) == ""
    assert "found 0 times" in problem()
    assert "found 0 times" in problem([66, 55, 50])
    assert "found 0 times" in problem([45, 45, 71])
    assert "found 2 times" in problem([55, 55, 50], [54, 55, 50])
    assert "(0, 0, 30) is not a face" in problem([55, 55, 50], [0, 0, 30])


def test_box_is_a_line_along_the_inner_edge() -> None:
    drawn = load("face-detection").driver.module.outlined(5, 4, bytes(20), [[1, 0, 3]])

    line, sides, blank = b"\0\xff\xff\xff\0", b"\0\xff\0\xff\0", bytes(5)
    assert drawn == b"P5\n5 4\n255\n" + line + sides + line + blank


@pytest.mark.network
@pytest.mark.parametrize(("seed", "width", "height"), [(1, 160, 160), (2, 163, 341), (3, 960, 640), (4, 640, 960)])
def test_faces_of_any_scene_are_found(
    seed: int, width: int, height: int, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    benchmark = load("face-detection")
    payload = benchmark.payload(
        benchmark.resolve("test", {"width": width, "height": height}), random.Random(seed), storage
    )

    output = invoke(benchmark, payload)["output"]

    assert benchmark.check(payload, output, storage) is None
    assert output["faces"]
