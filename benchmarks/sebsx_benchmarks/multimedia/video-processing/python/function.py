"""Make an animated GIF with a watermark of PNG frames, with ffmpeg as a program of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

GRAPH = (
    "[0:v][1:v]overlay=x=W-w-{margin}:y=H-h-{margin}:format=rgb,split[seen][again];"
    "[seen]palettegen=reserve_transparent=0[palette];[again][palette]paletteuse=dither=none"
)


def find_ffmpeg():
    """Return the path of the program in the package; copied first where the package lost its right to be run."""
    packages = importlib.util.find_spec("imageio_ffmpeg").submodule_search_locations
    program = next(Path(packages[0], "binaries").glob("ffmpeg-*"))
    if os.access(str(program), os.X_OK):
        return str(program)
    copied = Path(tempfile.mkdtemp(prefix="ffmpeg-"), "ffmpeg")
    shutil.copyfile(str(program), str(copied))
    copied.chmod(0o755)
    return str(copied)


FFMPEG = find_ffmpeg()


def handler(event, context):
    """Download the frames, encode them `repeats` times, upload the last GIF; return its key, size and SHA-256."""
    key = event["output_prefix"] + context.request_id + ".gif"
    with tempfile.TemporaryDirectory() as folder:
        gif = Path(folder, "out.gif")
        with context.phase("download"):
            context.storage.download_file(event["watermark_key"], str(Path(folder, "watermark.png")))
            for number in range(event["frames"]):
                name = f"{number:03}.png"
                context.storage.download_file(event["frames_prefix"] + name, str(Path(folder, name)))
        digests = []
        with context.phase("compute"):
            for _ in range(event["repeats"]):
                encode(folder, gif, event["frames_per_s"], event["margin"])
                digests.append(hashlib.sha256(gif.read_bytes()).hexdigest())
        with context.phase("upload"):
            context.storage.upload_file(key, str(gif))
        return {
            "key": key,
            "encodings": len(digests),
            "distinct": len(set(digests)),
            "gif_bytes": gif.stat().st_size,
            "gif_sha256": digests[-1],
        }


def encode(folder, gif, frames_per_s, margin):
    """Write the GIF: every frame whole, so that it can be checked by itself."""
    command = [FFMPEG, "-v", "error", "-nostdin", "-y", "-threads", "2", "-filter_complex_threads", "2"]
    command += ["-framerate", str(frames_per_s), "-i", "%03d.png", "-i", "watermark.png"]
    command += ["-filter_complex", GRAPH.format(margin=margin), "-gifflags", "-offsetting-transdiff", str(gif)]
    done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
