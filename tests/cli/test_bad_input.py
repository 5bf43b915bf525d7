"""What a user gets wrong: one line that names it and says what to do, the documented exit code, nothing lost."""

from __future__ import annotations

import json
import socket
from functools import cache
from pathlib import Path

import pytest

from sebsx import plugins
from sebsx.testing.runs import store_runs
from tests.support import Call, Cli, Write

USAGE, PLUGIN, PLATFORM = 2, 3, 4

# What is typed, and words that the one line must hold: what is wrong, and what to do.
NAMES = [
    ("rnu", ["command 'rnu' is not known; did you mean 'run'? (sebsx --help)"]),
    ("help", ["sebsx --help", "sebsx COMMAND --help"]),
    ("benchmark sleep", ["command 'benchmark' goes behind run: sebsx run benchmark"]),
    ("run benchmrk", ["'benchmrk'", "did you mean 'benchmark'?", "sebsx run --help"]),
    ("run sleep", ["'sleep' is a benchmark: sebsx run benchmark sleep"]),
    ("plan eviction", ["'eviction' is an experiment: sebsx plan experiment eviction"]),
    ("run http://127.0.0.1:9/", ["is a function: sebsx run function http://127.0.0.1:9/"]),
    ("run a-folder", ["'a-folder' is a folder: sebsx run benchmark a-folder"]),
    ("db pth", ["command 'pth'", "did you mean 'path'?"]),
    ("db query", ["command 'query' is not known; there are check, path, snapshot, upgrade (sebsx db --help)"]),
    ("config shwo", ["command 'shwo'", "did you mean 'show'?"]),
    ("runs dlete x", ["command 'dlete'", "did you mean 'delete'?", "sebsx runs --help"]),
    ("prices import x.toml", ["command 'import'", "there are break-even", "sebsx prices --help"]),
    ("aws nope", ["command 'nope'", "sebsx aws --help"]),
    ("list platfroms", ["KIND 'platfroms': did you mean 'platforms'?"]),
    ("list nope", ["KIND 'nope': must be one of kinds, capabilities, platforms"]),
    ("list", ["KIND is missing", "sebsx list --help"]),
    ("list platforms extra", ["unexpected 'extra'", "sebsx list --help"]),
    ("plugins extra", ["unexpected 'extra'", "sebsx plugins --help"]),
    ("plan benchmark --platform locl", ["platform 'locl'", "did you mean 'local'?", "sebsx list platforms"]),
    ("plan benchmark -P lambda", ["platform 'lambda' is not known; did you mean 'aws' or 'aws-arm'?"]),
    ("plan benchmark -P AWS", ["platform 'AWS' is not known; did you mean 'aws'?"]),
    ("plan benchmark -P mars", ["platform 'mars' is not known", "sebsx list platforms"]),
    ("plan benchmark -P local,", ["platform '' is not known", "sebsx list platforms"]),
    ("plan benchmark sleeep", ["benchmark 'sleeep'", "did you mean 'sleep'?", "sebsx list benchmarks"]),
    ("plan benchmark SLEEP", ["benchmark 'SLEEP'", "did you mean 'sleep'?"]),
    ("plan benchmark thumb", ["benchmark 'thumb'", "did you mean 'thumbnailer'?"]),
    ("plan benchmark qqqqqq", ["benchmark 'qqqqqq' is not known", "sebsx list benchmarks"]),
    ("plan benchmark a-folder", ["benchmark 'a-folder' is not known; to run the folder write ./a-folder"]),
    ("plan benchmark ./a-folder", ["a-folder' is not a benchmark: it has no benchmark.toml"]),
    ("plan benchmark a-folder/event.json", ["event.json' is a file; name the folder of the benchmark: ", "a-folder"]),
    ("plan benchmark -P aws:us-east-1", ["platform 'aws:us-east-1' is not known; did you mean 'aws'?"]),
    ("plan benchmark sleep --against nope", ["benchmark 'nope' is not known"]),
    ("plan benchmark --suite app", ["suite 'app'", "did you mean 'apps'?", "sebsx list suites"]),
    ("run experiment perfcost", ["experiment 'perfcost'", "did you mean 'perf-cost'?", "sebsx list experiments"]),
    ("plan benchmark sleep --size smal", ["size 'smal' of benchmark 'sleep' is not known; did you mean 'small'?"]),
    ("plan benchmark sleep --size 99", ["size '99' of benchmark 'sleep' is not known; there are test, small, large"]),
    ("plan benchmark sleep --function f", ["function 'f' of benchmark 'sleep' is not known"]),
    ("plan benchmark sleep --variant f", ["variant 'f' of benchmark 'sleep' is not known"]),
    ("plan benchmark sleep --collect proces", ["collector 'proces'", "did you mean 'process'?"]),
    ("plan benchmark sleep --language pyhton", ["language 'pyhton'", "did you mean 'python'?"]),
    ("plan benchmark sleep --language javascript", ["language 'javascript' is not known; did you mean 'nodejs'?"]),
    ("plan benchmark sleep --language js", ["language 'js' is not known; did you mean 'nodejs'?"]),
    ("plan benchmark sleep --language cobol", ["language 'cobol' is not known", "sebsx list languages"]),
    ("plan benchmark sleep --architecture arm65", ["architecture 'arm65'", "did you mean 'arm64'?"]),
    ("plan benchmark sleep --architecture amd64", ["architecture 'amd64'", "did you mean 'x86_64'?"]),
    ("plan benchmark sleep --architecture graviton", ["architecture 'graviton'", "did you mean 'arm64'?"]),
    ("--plugins locl list platforms", ["plugin 'locl'", "did you mean 'local'?", "sebsx plugins"]),
    ("--plugins locl runs", ["plugin 'locl'", "did you mean 'local'?", "sebsx plugins"]),
    ("clean --platform locl", ["platform 'locl'", "did you mean 'local'?"]),
    ("clean --campaign nope", ["campaign 'nope' is not known", "sebsx runs"]),
    ("clean --run nope", ["run 'nope'", "sebsx runs"]),
    ("doctor --platform locl", ["platform 'locl'", "did you mean 'local'?"]),
    ("doctor local", ["unexpected 'local'", "sebsx doctor --help"]),
    ("config show platform.locl", ["section 'platform.locl'", "did you mean 'platform.local'?"]),
    ("config show nope", ["section 'nope' is not known (sebsx config show)"]),
    ("completion tcsh", ["SHELL 'tcsh': must be one of bash, zsh, fish"]),
    ("new x --language java", ["language 'java' is not known", "sebsx list languages"]),
    ("prices show arws", ["pricelist 'arws'", "did you mean 'aws'?"]),
    ("prices show aws --region mars", ["region 'mars' of price book aws:", "sebsx prices show aws"]),
    ("analyze nope", ["run 'nope'", "sebsx runs"]),
    ("report --campaign nope", ["campaign 'nope' is not known", "sebsx runs"]),
    ("export nope -f cvs", ["exporter 'cvs'", "did you mean 'csv'?", "sebsx list exporters"]),
    ("baseline set main nope", ["run 'nope'", "sebsx runs"]),
    ("baseline remove nope", ["baseline 'nope' is not known", "sebsx baseline list"]),
    ("compare a b --fail-on slow", ["verdict 'slow' is not known; there are regression, change", "--fail-on"]),
    ("show 01J", ["run '01J'", "sebsx runs"]),
    ("run --resume last", ["no run", "sebsx run"]),
]  # fmt: skip

# Of a command's options: each is named as it is typed.
VALUES = [
    ("baseline list --store there.sqlite", ["--store goes before the command: sebsx --store ... baseline list"]),
    ("plan benchmark sleep --colect process", ["option '--colect' of 'sebsx plan benchmark'", "mean '--collect'?"]),
    ("plan benchmark sleep --memory_mib 256", ["option '--memory_mib'", "mean '--memory'?"]),
    ("plan benchmark sleep --timeout-s 3", ["option '--timeout-s'", "mean '--timeout'?"]),
    ("plan benchmark sleep --budget 5", ["option '--budget'", "mean '--budget-usd'?"]),
    ("plan benchmark sleep -n 5", ["option '-n' of 'sebsx plan benchmark'", "sebsx plan benchmark --help"]),
    ("plan benchmark sleep --json=yes", ["--json takes no value"]),
    (
        "plan function http://127.0.0.1:9/ --option vcpu=1",
        ["experiment 'function' does not accept options of functions, such as 'vcpu'", "keeps what it was given"],
    ),
    (
        "plan experiment calibrate --set benchmark=graph-mst --option vcpu=1",
        ["experiment 'calibrate' does not accept options of functions", "--memory"],
    ),
    ("plan benchmark sleep --memory", ["--memory needs a value"]),
    ("plan benchmark sleep --memory lots", ["--memory 'lots': an integer is wanted; write MiB", "256MB or 1GB"]),
    ("plan benchmark sleep --memory 256XB", ["--memory '256XB'", "write MiB as a number, such as 256"]),
    ("plan benchmark sleep --memory 256 512", ["--memory takes one word, with commas in it: --memory 256,512"]),
    ("plan benchmark --memory 256MB 1GB sleep", ["--memory takes one word", "--memory 256MB,1GB"]),
    ("plan experiment eviction --idle 1s 2s", ["--idle takes one word, with commas in it: --idle 1s,2s"]),
    ("plan benchmark sleep --memory 256;512", ["--memory '256;512'", "write 256,512"]),
    ("plan benchmark sleep --start cold;warm", ["--start 'cold;warm': write cold,warm"]),
    ("plan benchmark sleep --start cold,hot", ["--start 'cold,hot': 'hot' must be one of cold, warm"]),
    ("plan benchmark sleep;graph-bfs", ["did you mean 'sleep,graph-bfs'?"]),
    ("plan benchmark sleep --platform aws|gcp", ["platform 'aws|gcp' is not known; did you mean 'aws,gcp'?"]),
    ("plan benchmark sleep --architecture x86_64;arm64", ["did you mean 'x86_64,arm64'?"]),
    ("plan benchmark chameleon --language nodejs", ["it has python (--language python)"]),
    ("show benchmark", ["name a benchmark or its folder: sebsx show benchmark NAME"]),
    ("plan benchmark sleep --memory 256..512", ["--memory '256..512'", "write 256,512"]),
    ("plan benchmark sleep --memory 0", ["--memory 0: no platform offers it", "local has 32 to"]),
    ("plan benchmark sleep --memory -5", ["--memory -5: no platform offers it", "local"]),
    ("plan benchmark sleep --memory 128,99999999", ["--memory 99999999: no platform offers it", "local"]),
    ("plan benchmark sleep --memory 128.5", ["--memory", "128.5", "an integer is wanted"]),
    ("plan benchmark sleep --repetitions 0", ["--repetitions '0': must be at least 1"]),
    ("plan benchmark sleep --repetitions ten", ["--repetitions 'ten': an integer is wanted"]),
    ("plan benchmark sleep --repetitions nan", ["--repetitions 'nan': an integer is wanted"]),
    ("plan benchmark sleep --repetitions 9 --max-repetitions 3", ["--max-repetitions must be", "--repetitions"]),
    ("plan benchmark sleep --start luke", ["--start 'luke'", "cold, warm, burst, sequential"]),
    ("plan benchmark sleep --start wrm", ["--start 'wrm'", "did you mean 'warm'?"]),
    ("plan benchmark sleep --start cold warm", ["--start takes one word, with commas in it: --start cold,warm"]),
    ("plan benchmark sleep --design random", ["--design 'random': must be one of auto, rmit, sequential"]),
    ("plan benchmark sleep --suite apps", ["name benchmarks or --suite, not both"]),
    ("plan benchmark sleep compression --against sleep", ["--against takes exactly one benchmark"]),
    ("plan benchmark sleep --detect lots", ["--detect 'lots'", "such as 0.05 or 5%"]),
    ("plan benchmark sleep --precision 0%", ["--precision '0%': must be at least 0.001"]),
    ("plan benchmark sleep --timeout soon", ["--timeout 'soon'", "write a duration, such as 30s or 2m"]),
    ("plan benchmark sleep --timeout=-1s", ["--timeout '-1s': must be at least 0"]),
    ("plan benchmark sleep --max-time soon", ["--max-time 'soon' is not a duration (e.g. 30s"]),
    ("plan benchmark sleep --max-cell-time 0", ["--max-cell-time '0': must be at least 1"]),
    ("plan benchmark sleep --records-wait x", ["--records-wait 'x' is not a duration"]),
    ("plan benchmark sleep --max-invocations 0", ["--max-invocations '0': must be at least 1"]),
    ("plan benchmark sleep --seed x", ["--seed 'x': an integer is wanted"]),
    ("plan benchmark sleep --seed 9223372036854775808", ["--seed", "64 bits"]),
    ("plan benchmark sleep --budget-usd lots", ["--budget-usd 'lots': a number is wanted"]),
    ("plan benchmark sleep --budget-usd 0", ["--budget-usd '0': must be above 0"]),
    ("plan benchmark sleep --budget-usd nan", ["--budget-usd 'nan'", "a number is wanted"]),
    ("run benchmark sleep --budget-usd inf", ["--budget-usd 'inf'", "a number is wanted"]),
    ("plan benchmark sleep --payload nowhere.json", ["--payload 'nowhere.json'", "No such file"]),
    ("plan benchmark sleep --payload {bad", ["--payload '{bad' is not valid JSON"]),
    ("plan benchmark sleep --option vcpu", ["--option 'vcpu': write KEY=VALUE"]),
    ("plan benchmark sleep --option vpcu=2", ["option 'vpcu'", "did you mean 'vcpu'?", "sebsx list options"]),
    ("plan benchmark sleep --price-as aws", ["--price-as 'aws'", "add the region", "aws:us-east-1"]),
    ("plan benchmark sleep --price-as aws:us-esat-1", ["region 'us-esat-1' of price book aws:", "'us-east-1'"]),
    ("plan benchmark sleep -p", ["-p needs a value"]),
    ("plan benchmark sleep -p duration_s", ["--parameter 'duration_s': write KEY=VALUE"]),
    ("plan benchmark sleep -p duratoin_s=1", ["parameter 'duratoin_s' of benchmark 'sleep'", "mean 'duration_s'?"]),
    ("plan benchmark sleep -p duration_s=long", ["parameter 'duration_s'", "'long'", "a number is wanted"]),
    ("plan benchmark sleep -p duration_s=-1", ["parameter 'duration_s'", "'-1'", "at least 0"]),
    ("plan benchmark sleep --set repetition=3", ["setting 'repetition'", "did you mean 'repetitions'?", "config show"]),
    ("plan benchmark sleep --set region=eu-west-1", ["--set 'region' is a setting of platform.aws, ", "none of them"]),
    ("plan benchmark sleep --reps 5", ["option '--reps' of 'sebsx plan benchmark' is not known (sebsx plan"]),
    ("plan benchmark sleep --platforms local", ["option '--platforms'", "did you mean '--platform'?"]),
    ("plan benchmark sleep --repetitions 99999999999999999999", ["--repetitions", "must be at most 1000000"]),
    ("plan benchmark sleep --memory all", ["--memory 'all'", "write MiB as a number, such as 256, or 256MB or 1GB"]),
    ("plan benchmark sleep --language py", ["language 'py' is not known; did you mean 'python'?"]),
    ("plan benchmark sleep --architecture aarch64", ["architecture 'aarch64'", "did you mean 'arm64'?"]),
    ("plan benchmark sleep --concurrency 0", ["--concurrency '0': must be at least 1"]),
    ("plan benchmark sleep --fail-if p95>300", ["--fail-if 'p95>300': '300' has no unit; write 300ms"]),
    ("plan benchmark sleep --fail-if p101>3s", ["p101 is not a quantile"]),
    ("plan benchmark sleep --fail-if p99.9>1s", ["needs at least 2995", "--repetitions 2995"]),
    ("plan benchmark sleep --payload 5", ["--payload '5' is neither a JSON object nor a file"]),
    ("plan load sleep --users 0", ["say which load", "with a number above 0"]),
    ("run experiment eviction --idle 5s..1s", ["--idle '5s..1s'", "write 5s,1s"]),
    ("run experiment network --paths all", ["--paths 'all': must be one of client, storage"]),
    ("clean --older 3d", ["option '--older' of 'sebsx clean' is not known (sebsx clean --help)"]),
    ("plan benchmark sleep --set repetitions", ["--set 'repetitions': write KEY=VALUE"]),
    ("plan benchmark sleep --set platform.local.prt=1", ["'platform.local.prt'", "--set", "'platform.local.port'"]),
    ("plan benchmark sleep --set platform.local.port=x", ["platform.local.port", "--set", "'x'", "an integer"]),
    ("plan benchmark sleep --set platform.local.limits=some", ["limits", "'some'", "must be one of auto, "]),
    ("plan benchmark sleep --set keep_alive_s=soon", ["platform.local.keep_alive_s", "--set", "such as 30s or 2m"]),
    ("plan load", ["say what to put under load", "sebsx run load BENCHMARK --rate 50"]),
    ("plan load sleep", ["one of --rate, --steps, --users, --burst, --trace"]),
    ("plan load sleep --rate fast", ["--rate 'fast' is neither a number nor a range"]),
    ("plan load sleep --rate 5 --users 3", ["--rate and --users are different loads"]),
    ("plan load sleep --rate 5 --duration soon", ["--duration 'soon' is not a duration"]),
    ("plan load sleep --rate 5 --ramp 9s", ["--ramp goes from one rate to another: write --rate as 0..100"]),
    ("plan load sleep --users 5 --think 3s..2s", ["--think '3s..2s' goes backwards"]),
    ("plan load sleep --burst 5 --ramp 2s", ["--ramp says nothing of a load by --burst; it belongs to --rate"]),
    ("plan load sleep --steps a,b", ["--steps 'a,b': a number is wanted"]),
    ("plan load sleep --trace nowhere.csv", ["trace 'nowhere.csv' cannot be read"]),
    ("plan function", ["say what to measure: sebsx run function ARN|URL"]),
    ("plan function ftp://x/y", ["'ftp://x/y' is neither an ARN nor a URL"]),
    ("plan function http://127.0.0.1:9/ --method SEND", ["--method 'SEND': must be one of "]),
    ("plan function http://127.0.0.1:9/ --in-place", ["--in-place changes the memory: name sizes with --memory"]),
    ("calibrate", ["name a benchmark and its run times", "sebsx calibrate graph-mst --run-times 4s..120s"]),
    ("calibrate graph-mst --run-times fast", ["--run-times 'fast': write both ends, such as 4s..120s"]),
    ("run", ["name what to run", "--resume", "sebsx run --help"]),
    ("run --resume", ["--resume needs a value"]),
    ("run --resume last benchmark sleep", ["--resume", "leave the rest out"]),
    ("run --max-time 5 benchmark sleep", ["limits go behind 'benchmark'", "sebsx run --help"]),
    ("show", ["name a run", "--campaign", "sebsx runs"]),
    ("show last last", ["show takes one run"]),
    ("runs -n 0", ["--limit '0': must be at least 1"]),
    ("runs --status done", ["--status 'done': must be one of running, finished"]),
    ("runs --since yesterday", ["--since 'yesterday' is neither a date such as 2026-09-06 nor a time"]),
    ("runs note", ["TEXT is missing", "sebsx runs note --help"]),
    ("compare a b --threshold lots", ["--threshold 'lots' is not a share (e.g. 5%"]),
    ("compare a b --alpha 2", ["--alpha '2': must be above 0 and below 1"]),
    ("compare a b --format html", ["--format 'html': must be one of text, md, json"]),
    ("compare a b --out x", ["--out 'x' needs --format md or json"]),
    ("compare a b --strict", ["--strict is for a gate", "--fail-on"]),
    ("export last -o x", ["--format is missing", "sebsx export --help"]),
    ("export last -f csv --metric client.latency_s", ["format 'csv' takes no --metric"]),
    ("baseline set ../x last", ["invalid name '../x' of a baseline"]),
    ("prices show --region us-east-1", ["--region and --date need a provider"]),
    ("prices show aws --date x", ["--date 'x' is not a date such as 2026-09-06"]),
    ("prices month aws:us-east-1 --memory 1TB", ["--memory '1TB'", "write MiB as a number"]),
    ("prices month aws:us-east-1 --memory 1GB --duration x", ["--duration 'x' is not a duration"]),
    ("prices update aws", ["--from is missing", "sebsx prices update --help"]),
    ("new Bad_Name", ["invalid name 'Bad_Name' of a benchmark; use a-z, 0-9 and -"]),
    ("new a-folder", ["'a-folder' is there already; nothing was written"]),
    ("db snapshot", ["DESTINATION is missing", "sebsx db snapshot --help"]),
    ("--store", ["--store needs a value"]),
    ("--store mongodb://h/d runs", ["'mongodb'", "postgresql+psycopg://"]),
]  # fmt: skip


@pytest.fixture
def folder(sebsx: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder beside the user, and plugins that are looked for once: a hundred mistakes change nothing of them."""
    (sebsx.home / "a-folder").mkdir()
    (sebsx.home / "a-folder" / "event.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(plugins, "load", lambda only: every() if only is None else load(only))


load = plugins.load
every = cache(load)


@pytest.mark.parametrize(("typed", "words"), [*NAMES, *VALUES], ids=lambda value: value if type(value) is str else "")
@pytest.mark.usefixtures("folder")
def test_wrong_word_is_told_in_one_line(call: Call, typed: str, words: list[str]) -> None:
    said = call(*typed.split())
    said.assert_fails(USAGE, *words)
    assert said.stdout == ""
    assert len(said.stderr.splitlines()) == 1


def test_what_people_type_is_understood(call: Call) -> None:
    typed = "plan benchmark sleep --memory 256MB,1GB --timeout 30s --precision 5% -p duration_s=20ms --max-cell-time 2m"
    plan = call(*typed.split(), "--json").json
    assert {cell["factors"]["memory_mib"] for cell in plan["cells"]} == {256, 1024}


def test_wrong_name_of_analyzer_exporter_or_run_loses_nothing(sebsx: Cli, call: Call) -> None:
    for views in store_runs(sebsx.store, "perf-cost"):
        finished = views["finished"].run.id
    before = sebsx.rows("SELECT count(*) FROM invocation")
    call("analyze", finished, "-a", "perf-cots").assert_fails(USAGE, "analyzer 'perf-cots'", "'perf-cost'")
    call("export", finished, "-f", "cvs", "-o", "x").assert_fails(USAGE, "exporter 'cvs'", "'csv'")
    call("show", "01ZZZZ").assert_fails(USAGE, "'01ZZZZ'", "sebsx runs")
    call("run", "--resume", "01ZZZZ").assert_fails(USAGE, "'01ZZZZ'", "sebsx runs")
    call("run", "--resume", finished).assert_fails(USAGE, finished, "is finished", "sebsx show")
    call("show", "01").assert_fails(USAGE, "'01'")
    assert sebsx.rows("SELECT count(*) FROM invocation") == before
    assert before[0][0] > 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SEBSX_PLATFORM__LOCAL__PRT", "1", ["platform.local.prt", "environment", "'platform.local.port'"]),
        ("SEBSX_PLATFORM__LOCAL__PORT", "x", ["platform.local.port", "environment", "'x'", "an integer is wanted"]),
        ("SEBSX_EXPERIMENT__PERF_COST__START", "luke", ["start", "environment", "'luke'", "cold, warm"]),
    ],
)
def test_wrong_environment_variable_is_named(
    call: Call, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: list[str]
) -> None:
    monkeypatch.setenv(name, value)
    call("plan", "benchmark", "sleep").assert_fails(USAGE, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[platform.local\n", ["sebsx.toml", "cannot be read", "line 1"]),
        ("[platform.local]\nprt = 1\n", ["platform.local.prt", "sebsx.toml", "'platform.local.port'"]),
        ("[platform.locl]\nport = 1\n", ["platform.locl.port", "sebsx.toml", "'platform.local'"]),
        ("[platform.local]\nport = 'x'\n", ["platform.local.port", "sebsx.toml", "'x'", "an integer is wanted"]),
        ("[platform.local]\nport = -1\n", ["platform.local.port", "sebsx.toml", "must be at least 0"]),
        ("[core]\nplatform = 7\n", ["core.platform", "sebsx.toml", "a word is wanted"]),
        ("store = 5\n", ["sebsx.toml", "'store' stands in no table", "[core]"]),
    ],
)
def test_wrong_settings_file_is_named(sebsx: Cli, call: Call, text: str, words: list[str]) -> None:
    (sebsx.home / "sebsx.toml").write_text(text, encoding="utf-8")
    call("plan", "benchmark", "sleep").assert_fails(USAGE, *words)


def test_settings_of_a_plugin_that_is_not_installed_only_warn(sebsx: Cli, call: Call) -> None:
    (sebsx.home / "sebsx.toml").write_text("[platform.orbital]\naltitude = 400\n", encoding="utf-8")
    said = call("plan", "benchmark", "sleep")
    assert said.code == 0
    assert "platform.orbital.altitude" in said.stderr


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, ["is not a benchmark", "benchmark.toml"]),
        ("name = ", ["benchmark.toml", "cannot be read"]),
        ('name = "x"\n', ["benchmark.toml", "'version'"]),
        ('name = "x"\nversion = "1"\nsummary = "s"\nsise = 1\n', ["'sise'", "did you mean 'sizes'?"]),
        ('name = "x"\nversion = "1"\nsummary = "s"\nneeds = ["tabel"]\n', ["benchmark.toml", "tabel"]),
        ('name = "x"\nversion = "1"\nsummary = "s"\nsizes = 3\n', ["benchmark.toml"]),
    ],
)
def test_wrong_benchmark_folder_is_named(tmp_path: Path, call: Call, manifest: str | None, words: list[str]) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    if manifest is not None:
        (folder / "benchmark.toml").write_text(manifest, encoding="utf-8")
    call("plan", "benchmark", str(folder)).assert_fails(USAGE, str(folder), *words)


def test_benchmark_folder_that_does_not_exist_is_named(call: Call) -> None:
    call("plan", "benchmark", "./nowhere").assert_fails(USAGE, "nowhere", "does not exist")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("import nowhere\n", ["benchmark.py", "cannot be loaded", "nowhere"]),
        ("def payload(p, rng, s):\n    raise LookupError('no data')\n", ["benchmark.py", "LookupError: no data"]),
        ("def payload(p, rng, storage):\n    return 7\n", ["benchmark.py", "payload"]),
        ("def payload(p, rng, storage):\n    return {'x': float('nan')}\n", ["payload", "'mine'", "not JSON"]),
        ("def payload(p, rng, storage):\n    return {'x': object()}\n", ["payload", "'mine'", "not JSON"]),
    ],
)  # fmt: skip
def test_driver_that_fails_is_named_and_leaves_nothing(
    sebsx: Cli,
    call: Call,
    write_function: Write,
    driver: str,
    words: list[str],
) -> None:
    folder = write_function("mine", "def handler(event, context):\n    return {}\n", driver=driver)
    call("run", "benchmark", str(folder), "--repetitions", "1").assert_fails(USAGE, *words)
    assert sebsx.rows("SELECT status FROM run") == [("failed",)]
    assert sebsx.rows("SELECT count(*) FROM resource WHERE state <> 'deleted'") == [(0,)]


@pytest.mark.slow
def test_check_that_raises_anything_makes_the_output_wrong(sebsx: Cli, call: Call, write_function: Write) -> None:
    driver = "def check(payload, output, storage):\n    assert output['n'] == 1, 'n is not one'\n"
    folder = write_function("mine", "def handler(event, context):\n    return {'n': 2}\n", driver=driver)
    said = call("run", "benchmark", str(folder), "--start", "warm", "--repetitions", "2", "--set", "max_failures=2")
    said.assert_fails(6, "1 of 1 cells failed", "wrong_output", "AssertionError: n is not one")
    stored = sebsx.rows("SELECT DISTINCT status, error FROM invocation")
    assert stored == [("wrong_output", "check failed: AssertionError: n is not one")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        ("flask ==\n", ["requirements.txt"]),
        pytest.param("sebsx-no-such-thing==1.0\n", ["sebsx-no-such-thing"], marks=pytest.mark.network),
    ],
)
def test_requirements_that_cannot_be_installed_are_named(
    sebsx: Cli,
    call: Call,
    write_function: Write,
    requirements: str,
    words: list[str],
) -> None:
    folder = write_function("mine", "def handler(event, context):\n    return {}\n")
    (folder / "python" / "requirements.txt").write_text(requirements, encoding="utf-8")
    call("run", "benchmark", str(folder), "--repetitions", "1").assert_fails(USAGE, "mine", *words)
    assert sebsx.rows("SELECT count(*) FROM resource WHERE state <> 'deleted'") == [(0,)]


class Site:
    """A folder of distributions as pip would leave them."""

    def __init__(self, cli: Cli, root: Path) -> None:
        self.root = root
        root.mkdir()
        cli.environment["PYTHONPATH"] = str(root)

    def install(self, name: str, source: str) -> None:
        (self.root / f"{name}.py").write_text(source, encoding="utf-8")
        information = self.root / f"{name}-1.2.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
        (information / "entry_points.txt").write_text(f"[sebsx]\n{name} = {name}\n", encoding="utf-8")


@pytest.fixture
def site(sebsx: Cli, tmp_path: Path) -> Site:
    return Site(sebsx, tmp_path / "site")


PLATFORM_OF_A_THIRD_PARTY = """
from sebsx.errors import DeployError
from sebsx.contracts.hookspecs import hookimpl
from sebsx.system.lazy import require
from sebsx.testing.fakes import FakePlatform

class NeedsSdk(FakePlatform):
    name = "needs-sdk"
    def __enter__(self):
        require("sdk_that_is_not_there", extra="orbital")
        return self

class Refusing(FakePlatform):
    name = "refusing"
    def deploy(self, package, config):
        with self.ledger.creating("function", config.name):
            raise DeployError(f"function {config.name!r} was refused; ask for a larger quota")

@hookimpl
def sebsx_register_platforms():
    return [NeedsSdk, Refusing]
"""


@pytest.mark.slow
def test_broken_plugin_that_is_named_is_exit_3(sebsx: Cli, site: Site) -> None:
    site.install("orbital", "import nowhere\n")
    sebsx.say("plan", "benchmark", "sleep", "--platform", "orbital").assert_fails(
        PLUGIN, "plugin 'orbital' of orbital is broken", "No module named 'nowhere'", "sebsx plugins"
    )


@pytest.mark.slow
def test_broken_plugin_does_not_stop_the_others(sebsx: Cli, site: Site) -> None:
    site.install("orbital", "raise SystemExit('I quit')\n")
    said = sebsx.say("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "1")
    assert said.code == 0
    assert "plugin 'orbital' of orbital is broken: SystemExit: I quit" in said.stderr
    plugins = {plugin["name"]: plugin for plugin in sebsx.json("plugins")}
    assert (plugins["orbital"]["status"], plugins["local"]["status"]) == ("broken", "ok")


@pytest.mark.slow
def test_platform_whose_extra_is_not_installed_is_exit_3(sebsx: Cli, site: Site) -> None:
    site.install("orbital", PLATFORM_OF_A_THIRD_PARTY)
    said = sebsx.say("run", "benchmark", "sleep", "--size", "test", "--platform", "needs-sdk")
    said.assert_fails(PLUGIN, "'sdk_that_is_not_there' is needed", "pip install", "[orbital]")
    assert sebsx.rows("SELECT status FROM run") == [("failed",)]


@pytest.mark.slow
def test_deployment_that_fails_is_exit_4_and_stored(sebsx: Cli, site: Site) -> None:
    site.install("orbital", PLATFORM_OF_A_THIRD_PARTY)
    said = sebsx.say("run", "benchmark", "sleep", "--size", "test", "--platform", "refusing")
    said.assert_fails(PLATFORM, "2 of 2 cells failed", "was refused; ask for a larger quota")
    assert sebsx.rows("SELECT DISTINCT status, stop_reason FROM cell") == [("failed", "not deployed")]
    assert sebsx.rows("SELECT DISTINCT status FROM deployment") == [("failed",)]
    assert sebsx.rows("SELECT status FROM run") == [("unsuccessful",)]


@pytest.mark.slow
def test_port_in_use_is_exit_4_and_named(sebsx: Cli, call: Call) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = call("run", "benchmark", "sleep", "--size", "test", "--set", f"platform.local.port={port}")
    said.assert_fails(PLATFORM, str(port), "in use", "set port to 0")
    assert sebsx.rows("SELECT status FROM run") == [("failed",)]
    assert sebsx.rows("SELECT count(*) FROM resource WHERE state <> 'deleted'") == [(0,)]


NOISY = """
import os
import subprocess

print("imported")
from sebsx.contracts.hookspecs import hookimpl

class Below(BaseException):
    pass

@hookimpl
def sebsx_register_collectors():
    print("registering")
    raise Below("past every Exception")

@hookimpl
def sebsx_environment_facts():
    print("facts")
    subprocess.run(["echo", "of a process"], check=True)
    os.write(1, b"of a library\\n")
    return {}

@hookimpl
def sebsx_run_started(run):
    print("started")
    raise Below("past every Exception")

@hookimpl
def sebsx_invocations_stored(run, deployment, invocations):
    print("stored")
"""


@pytest.mark.slow
def test_plugin_that_prints_and_panics_spoils_neither_the_document_nor_the_run(sebsx: Cli, site: Site) -> None:
    site.install("noisy", NOISY)
    said = sebsx.say("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "1", "--json")
    assert said.code == 0, said.stderr
    assert json.loads(said.stdout)["run"]["status"] == "finished"
    noise = {"imported", "registering", "facts", "of a process", "of a library", "started", "stored"}
    assert noise <= set(said.stderr.split("\n"))
    assert "plugin 'noisy' of noisy 1.2 failed in sebsx_run_started: Below: past every Exception" in said.stderr
    listed = sebsx.say("list", "collectors", "--json")
    assert "collectors: Below: past every Exception" in listed.stderr
    assert "Traceback" not in said.stderr + listed.stderr
    assert json.loads(listed.stdout)
