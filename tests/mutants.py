"""Functions of shipped benchmarks that do their work wrong, in each language: every check must notice."""

from __future__ import annotations

from sebsx.testing.mutations import Mutant

_FROZEN = Mutant(what="a clock that stands still", old="time.perf_counter()", new="12.5")

MUTANTS: dict[str, list[Mutant]] = {
    "sleep": [
        _FROZEN,
        Mutant(what="no sleep", old='time.sleep(event["duration_s"])', new="pass"),
        Mutant(
            what="a clock that stands still",
            old="(performance.now() - started) / 1000",
            new="(started - started) / 1000",
            language="nodejs",
        ),
        Mutant(what="no sleep", old="left > 0", new="left > Infinity", language="nodejs"),
    ],
    "clock-probe": [_FROZEN, Mutant(what="a wall clock that stands still", old="time.time()", new="1.75e9")],
    "server-reply": [_FROZEN],
    "network-probe": [_FROZEN],
    "startup-dependencies": [
        _FROZEN,
        Mutant(
            what="fewer imports", old='import_all(event["unused"])', new='import_all(event["unused"][:-1])'
        ),
    ],
    "gzip": [
        Mutant(what="another level", old="compresslevel=level", new="compresslevel=level - 1"),
        Mutant(
            what="a file cut short",
            old="shutil.copyfileobj(source, packed, MIB)",
            new="packed.write(source.read()[:-1])",
        ),
        Mutant(
            what="an archive with a hole",
            old="        target.flush()\n",
            new="        target.seek(1000)\n        target.write(bytes(100))\n        target.flush()\n",
        ),
    ],
    "compression": [
        Mutant(what="another level", old="zipfile.ZIP_DEFLATED, level)", new="zipfile.ZIP_DEFLATED, 1)"),
        Mutant(what="files cut short", old="path.read_bytes()", new="path.read_bytes()[:-1]"),
        Mutant(
            what="another level", old="0o100644, compressionLevel }", new="0o100644, compressionLevel: 1 }",
            language="nodejs",
        ),
        Mutant(
            what="no compression",
            old="0o100644, compressionLevel }",
            new="0o100644, compress: false }",
            language="nodejs",
        ),
    ],
    "chameleon": [
        Mutant(
            what="other pages",
            old="{event['caption']} & {number}",
            new="{event['caption'][::1 if number + 1 == event['pages'] else -1]} & {number}",
        )
    ],
    "dynamic-html": [
        Mutant(what="other numbers", old="itertools.repeat(1000000)", new="itertools.repeat(999999)"),
        Mutant(what="other numbers", old="% 1000000", new="% 999999", language="nodejs"),
    ],
    "thread": [
        Mutant(
            what="no threads", old="thread.start()\n            thread.join()\n", new="thread.run()\n"
        ),
        Mutant(what="no lock and no work", old="total += amount", new="total += 0"),
    ],
    "uploader": [
        Mutant(what="another object", old="upload_file(key, name)", new='upload(key, b"x")'),
        Mutant(
            what="another object", old="uploadFile(key, file)", new="upload(key, Buffer.from('x'))", language="nodejs"
        ),
    ],
    "graph-bfs": [Mutant(what="fewer searches", old='range(event["searches"])', new='range(event["searches"] - 1)')],
    "graph-mst": [Mutant(what="fewer trees", old='range(event["trees"])', new='range(event["trees"] - 1)')],
    "graph-pagerank": [
        Mutant(what="fewer rankings", old='range(event["rankings"])', new='range(event["rankings"] - 1)')
    ],
    "matmul": [Mutant(what="fewer products", old='range(event["products"])', new='range(event["products"] - 1)')],
    "dd": [Mutant(what="fewer copies", old='range(event["copies"])', new='range(event["copies"] - 1)')],
    "sequential-disk-io": [
        Mutant(what="fewer passes", old='range(event["passes"])', new='range(event["passes"] - 1)'),
        Mutant(what="one file for all passes", old="number * blocks, blocks)", new="0, blocks)"),
    ],
    "image-processing": [Mutant(what="smoothed less often", old="range(FILTERED)", new="range(FILTERED - 1)")],
}  # fmt: skip
