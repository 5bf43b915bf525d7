"""Makes the example page of docs/report.md and, where Chromium is installed, a picture of it."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from sebsx.model import Design, StartType
from sebsx.reading.reporting import build
from sebsx.reading.reporting.html import render
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter

_CPU_MODELS = ("AMD EPYC 9B14", "Intel Xeon Platinum 8481C")
_HEIGHT = 2300
_TIMEOUT_S = 120


def write(folder: Path) -> None:
    """Write `report-example.html`, `report.png` if there is a browser, and `report.md`, which shows what there is."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report-example.html"
    page.write_text(example(), encoding="utf-8")
    picture = folder / "report.png"
    shown = photograph(page, picture)
    text = "```{image} report.png\n:alt: The upper part of a report page\n```\n" if shown else ""
    text += "{download}`An example page <report-example.html>`, of a run whose numbers were made up.\n"
    (folder / "report.md").write_text(f"# An example of a report\n\n{text}", encoding="utf-8")


def example() -> str:
    """Return the page of a made-up run: two memory sizes, cold and warm, on two CPU models."""
    rng = random.Random(4)  # noqa: S311  # figures, not secrets
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.sqlite") as store:
        client = {"sebsx": "0.1.0", "python": "3.12", "system": "Linux", "cpu_model": "AMD EPYC", "cpu_count": 8}
        writer = RunWriter(store, design=Design.RMIT, environment=client, settings={"repetitions": 240})
        for memory_mib in (512, 1024):
            for start, median_s in ((StartType.COLD, 0.42), (StartType.WARM, 0.031)):
                for slower, model in enumerate(_CPU_MODELS):
                    typical_s = median_s * (512 / memory_mib) ** 0.6 * (1 + 0.35 * slower)
                    changes = {} if start is StartType.COLD else {"sandbox_id": f"{memory_mib}-{slower}"}
                    latencies_s = [typical_s * rng.lognormvariate(0, 0.12) for _ in range(120)]
                    writer.add(
                        latencies_s, memory_mib=memory_mib, start=start, facts={"cpu_model": model}, changes=changes,
                        deployment={"benchmark": "thumbnailer"},
                    )  # fmt: skip
        content = build([writer.finish()])
    return render(content, "sebsx report last", "2025-06-15 15:06:40+00:00")


def photograph(page: Path, picture: Path, width: int = 1100) -> bool:
    """Write a picture of a page as a browser shows it; return whether there is a browser here."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return False
    with tempfile.TemporaryDirectory() as profile:
        words = [
            browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={profile}", f"--window-size={width},{_HEIGHT}", f"--screenshot={picture}",
            page.resolve().as_uri(),
        ]  # fmt: skip
        subprocess.run(words, check=True, capture_output=True, timeout=_TIMEOUT_S)
    return picture.exists()
