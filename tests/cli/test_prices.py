"""`sebsx prices` through the command line: shown, compared, updated, and a month planned."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.pricing.offers import offer_file
from tests.support import Call, Cli


def test_books_there_are_come_with_date_and_source(call: Call) -> None:
    books = call("prices", "show", "--json").json
    assert {"aws", "azure", "gcp"} <= {book["provider"] for book in books}
    assert all(book["source"].startswith("https://") and len(book["sha256"]) == 12 for book in books)


def test_prices_of_a_region_are_shown_with_their_tiers(call: Call) -> None:
    shown = call("prices", "show", "aws", "--region", "us-east-1", "--json").json
    assert {row["region"] for row in shown["prices"]} == {"us-east-1"}
    memory = [row for row in shown["prices"] if (row["meter"], row["architecture"]) == ("memory", "arm64")]
    assert memory[0]["tiers"][0] == {"above": 0.0, "usd": 0.0000133334}
    said = call("prices", "show", "aws", "--region", "us-east-1")
    assert "0.0000166667, above 6000000000: 0.000015" in said.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("show", "aws", "--region", "us-east-11"), "did you mean 'us-east-1'"),
        (("show", "awss"), "did you mean 'aws'"),
        (("show", "aws", "--date", "2020-01-01"), "the first is of 2025-08-01"),
        (("show", "aws", "--date", "yesterday"), "is not a date such as 2026-09-06"),
        (("show", "--region", "us-east-1"), "need a provider"),
        (("diff", "aws:2026-09-06", "missing.toml"), "price book 'missing.toml' cannot be read"),
        (("diff", "aws:2026-09-06", "missing"), "'missing' is neither a file (NAME.toml, ./NAME) nor a PROVIDER:DATE"),
        (("diff", "aws:2026-09-06", "aws:soon"), "'soon' in 'aws:soon' is not a date"),
        (("update", "gcp", "--from", "index.json"), "index.json"),
        (("update", "aws", "--from", "ftp://prices.example/x"), "only http, https and files"),
        (("month", "aws:us-east-1", "--memory", "512", "--duration", "-1", "--requests-per-s", "1"), "--duration '-1'"),
        (
            ("month", "aws:mars", "--memory", "512", "--duration", "1", "--requests-per-s", "1"),
            "region 'mars' of price book aws:",
        ),
        (("month", "aws", "--memory", "512", "--duration", "1", "--requests-per-s", "1"), "'aws' names no region"),
    ],
)
def test_mistake_is_one_clear_line(call: Call, words: tuple[str, ...], error: str) -> None:
    call("prices", *words).assert_fails(2, error)


def test_price_that_nobody_read_at_its_source_is_marked(call: Call) -> None:
    document = call("prices", "show", "aws", "--region", "us-east-1", "--json").json
    told = {row["meter"]: (row["verified"], row["unverified"]) for row in document["prices"]}
    assert told["request"] == ("yes", "")
    assert told["restore"][0] == "no"
    assert "consultant" in told["restore"][1]
    shown = call("prices", "show", "aws", "--region", "us-east-1")
    assert "verified" in shown.stdout
    assert "not verified: snapshot: as one consultant's page quotes it (2026-05)" in " ".join(shown.stderr.split())


def test_update_writes_a_book_that_is_used_from_its_day_on(call: Call, sebsx: Cli) -> None:
    file = offer_file(sebsx.home / "index.json")
    done = call("prices", "update", "aws", "--from", str(file), "--json").json
    assert done["file"] == str(sebsx.home / "data" / "sebsx" / "prices" / "aws" / "2026-10-19.toml")
    changes = {change["price"]: (change["old"], change["new"]) for change in done["changes"]}
    assert changes["us-east-1 on-demand arm64 memory"][1] == "0.000012"
    assert changes["mx-central-1 request"] == (None, "0.00000021")
    assert "us-east-1 request" not in changes  # the same price, and its free tier is kept
    before, after = (
        call("prices", "show", "aws", "--date", day, "--region", "us-east-1", "--json").json
        for day in ("2026-10-18", "2026-10-19")
    )
    assert (before["effective"], after["effective"]) == ("2025-08-01", "2026-10-19")
    kept = {row["meter"]: row for row in after["prices"]}
    assert kept["request"]["free"] == 1_000_000
    assert kept["object.put"]["tiers"] == [{"above": 0.0, "usd": 0.000005}]  # not in the file
    assert "index.json 20261019210000; all else from aws:2025-08-01" in after["source"]
    assert call("prices", "diff", "aws:2026-10-18", "aws:2026-10-19", "--json").json["changes"] == done["changes"]


def test_update_never_writes_over_a_book_unasked(call: Call, sebsx: Cli) -> None:
    file = offer_file(sebsx.home / "index.json")
    words = ("prices", "update", "aws", "--from", str(file))
    path = Path(call(*words, "--json").json["file"])
    written = path.read_bytes()
    call(*words).assert_fails(2, "is there already", "--replace")
    assert path.read_bytes() == written
    assert call(*words, "--replace", "--json").json["changes"] == []
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_dry_run_shows_the_changes_and_writes_nothing(call: Call, sebsx: Cli) -> None:
    file = offer_file(sebsx.home / "index.json")
    said = call("prices", "update", "aws", "--from", str(file), "--dry-run")
    assert said.code == 0
    assert "nothing was written" in said.stdout
    assert "mx-central-1 request" in said.stdout
    assert not (sebsx.home / "data").exists()


@pytest.mark.parametrize(
    ("published", "text", "error"),
    [
        ("2024-01-01T00:00:00Z", None, "older than the newest book aws:2025-08-01"),
        ("2025-08-01T00:00:00Z", None, "comes with a plugin and is of the same day"),
        ("", "{", "cannot be used"),
        ("", "[]", "it has no products"),
        ("", "\ud7ff", "cannot be used"),
    ],
)
def test_update_refuses_what_it_cannot_use(
    call: Call, sebsx: Cli, published: str, text: str | None, error: str
) -> None:
    file = sebsx.home / "index.json"
    if text is None:
        offer_file(file, published=published)
    else:
        file.write_text(text, encoding="utf-8")
    call("prices", "update", "aws", "--from", str(file)).assert_fails(2, error)
    assert not (sebsx.home / "data").exists()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return None

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join()


def test_update_reads_an_address_and_keeps_no_signature(call: Call, tmp_path: Path, server: str) -> None:
    offer_file(tmp_path / "index.json")
    done = call("prices", "update", "aws", "--from", f"{server}/index.json?signature=hidden", "--json").json
    text = Path(done["file"]).read_text(encoding="utf-8")
    assert f"{server}/index.json 2026" in text
    assert "hidden" not in text
    call("prices", "update", "aws", "--from", f"{server}/none.json").assert_fails(2, "404")


def test_corrupt_book_of_the_user_is_named(call: Call, sebsx: Cli) -> None:
    folder = sebsx.home / "data" / "sebsx" / "prices" / "aws"
    folder.mkdir(parents=True)
    (folder / "broken.toml").write_text("provider = 'aws'\nprice = 3", encoding="utf-8")
    call("prices", "show", "aws").assert_fails(2, "broken.toml", "is wrong")


def test_month_adds_up_by_tiers_and_leaves_the_free_tier_out_unless_asked(call: Call) -> None:
    words = ("prices", "month", "aws:us-east-1", "--memory", "1024", "--duration", "0.1", "--requests-per-s", "1")
    month = call(*words, "--json").json
    assert month["month_usd"] == pytest.approx(2_628_000 * 1.86667e-6, rel=1e-12)
    assert month["per_million_usd"] == pytest.approx(1.86667, rel=1e-12)
    assert month["prices"]["effective"] == "2025-08-01"
    assert call(*words, "--free-tier", "--json").json["month_usd"] == pytest.approx(1_628_000 * 2e-7, rel=1e-12)
    assert "$4.906" in call(*words).stdout


def test_month_says_what_sandboxes_kept_ready_cost_besides(call: Call) -> None:
    words = ("prices", "month", "aws:us-east-1", "--memory", "512", "--duration", "0.1", "--requests-per-s", "1")
    ready = call(*words, "--scheme", "provisioned", "--json").json["ready_sandbox_usd"]
    assert ready == pytest.approx(0.5 * 730 * 3600 * 0.0000041667)
    assert "each sandbox kept ready costs $5.475 a month more" in call(*words, "--scheme", "provisioned").stderr
    assert call(*words, "--json").json["ready_sandbox_usd"] is None
