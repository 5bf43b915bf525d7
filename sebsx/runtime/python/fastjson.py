"""JSON by the C core of the standard library alone.

`import json` brings `re` and `enum` along, 8 ms of a cold start of 25; the scanner and the encoder it is built on
load in a tenth of that. They are private to CPython: where they are missing or have changed, `json` serves.
"""

try:
    from _json import encode_basestring_ascii, make_encoder, make_scanner
except ImportError:
    make_scanner = None

SPACE = " \t\n\r"


class _Rules:
    """What `json.JSONDecoder()` would tell the scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(word):
        return {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}[word]


def loads(data):
    """Return the value of UTF-8 JSON text.

    Raises:
        ValueError: If it is not JSON.
        RecursionError: If it is nested too deeply.
    """
    text = data.decode("utf-8", "surrogatepass").lstrip(SPACE)
    try:
        value, end = _scan(text, 0)
    except (StopIteration, SystemError):  # the latter where the scanner finds no `json` to take its error from
        raise ValueError("this is not JSON") from None
    if text[end:].strip(SPACE):
        raise ValueError("there is more than one JSON value")
    return value


def dumps(value):
    """Return `value` as compact ASCII JSON.

    Raises:
        TypeError: If a type has no form in JSON.
        ValueError: For NaN, infinity and circular references.
        RecursionError: If it is nested too deeply.
    """
    return "".join(_encoder()(value, 0))


def _unknown(value):
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def _encoder():
    # In the order of `json.encoder`: markers of open containers, default, strings, indent, separators of keys and
    # items, sort keys, skip keys, allow NaN.
    return make_encoder({}, _unknown, encode_basestring_ascii, None, ":", ",", False, False, False)


try:
    _scan = make_scanner(_Rules)
    if loads(b' {"a": [1, "x", null]} ') != {"a": [1, "x", None]} or dumps({"a": [1.5, "\u00fc"]}) != (
        '{"a":[1.5,"\\u00fc"]}'
    ):
        raise ValueError
except (TypeError, ValueError, AttributeError):
    from json import JSONEncoder, loads  # the same names, slower to load

    dumps = JSONEncoder(allow_nan=False, separators=(",", ":")).encode
