"""Driver's side of video-processing: draws frames and watermark, and takes the GIF apart to look at its pixels.

PNG is written and GIF is read here in plain Python, so that the driver needs no library, and the GIF is judged by code
that has nothing in common with what made it.
Formats: https://www.w3.org/TR/png-3/ and https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

from __future__ import annotations

import hashlib
import math
import struct
import zlib

TOLERANCE = 12.0  # mean absolute difference of a channel, of 255; 256 colours cost 1 to 6, another frame 50 and more
MARGIN = 4  # pixels between the watermark and the edges
FRAMES_PER_S = 10
ALPHA = 160  # of the watermark, of 255
_LOOKED_AT = 4  # frames whose pixels are compared: first, last and some between
_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_right = set()  # (frames, digest) of GIFs that were taken apart and found right


def payload(parameters, rng, storage):
    """Upload frames and watermark and return their keys, where the GIF goes, and how often to make it."""
    width, height, count = parameters["width"], parameters["height"], parameters["frames"]
    frames = [encode(rows, 3) for rows in _draw(rng, width, height, count)]
    mark = encode(_draw_mark(rng, max(8, width // 5), max(8, height // 6)), 4)
    prefix = f"video-processing/{hashlib.sha256(b''.join([mark, *frames])).hexdigest()[:16]}"
    storage.put(f"{prefix}/watermark.png", mark)
    for number, frame in enumerate(frames):
        storage.put(f"{prefix}/frames/{number:03}.png", frame)
    return {
        "watermark_key": f"{prefix}/watermark.png",
        "frames_prefix": f"{prefix}/frames/",
        "output_prefix": f"{prefix}/output/",
        "frames": count,
        "frames_per_s": FRAMES_PER_S,
        "margin": MARGIN,
        "repeats": parameters["repeats"],
    }


def check(payload, output, storage):
    """Return None if the uploaded GIF shows the frames with the watermark, and every encoding gave the same."""
    key = output["key"]
    if not key.startswith(payload["output_prefix"]):
        return f"GIF {key!r} is not below {payload['output_prefix']!r}"
    try:
        gif = storage.get(key)
    except KeyError:
        return f"GIF {key!r} is not in the storage"
    digest = hashlib.sha256(gif).hexdigest()
    if (output["gif_bytes"], output["gif_sha256"]) != (len(gif), digest):
        return f"GIF {key!r} has {len(gif)} bytes and digest {digest}, not what the function said"
    if (output["encodings"], output["distinct"]) != (payload["repeats"], 1):
        return (
            f"{output['encodings']!r} encodings gave {output['distinct']!r} GIFs, expected {payload['repeats']} alike"
        )
    known = (payload["frames_prefix"], payload["frames"], digest)
    if known in _right:
        return None
    problem = _compare(payload, gif, storage)
    if problem is None:
        _right.add(known)
    return problem


def _compare(payload, gif, storage):
    try:
        width, height, frames = read_gif(gif)
    except (ValueError, struct.error, IndexError) as exc:
        return f"GIF cannot be read: {exc}"
    if len(frames) != payload["frames"]:
        return f"GIF has {len(frames)} frames, expected {payload['frames']}"
    mark = decode(storage.get(payload["watermark_key"]), 4)
    count = min(_LOOKED_AT, len(frames))
    for number in sorted({index * (len(frames) - 1) // max(1, count - 1) for index in range(count)}):
        rows = decode(storage.get(f"{payload['frames_prefix']}{number:03}.png"), 3)
        if (width, height) != (len(rows[0]) // 3, len(rows)):
            return f"GIF is {width} x {height}, expected {len(rows[0]) // 3} x {len(rows)}"
        box = _stamp(rows, mark, payload["margin"])
        shown = frames[number].rows()
        for what, seen, wanted in (("frame", shown, rows), ("watermark of frame", _cut(shown, box), _cut(rows, box))):
            difference = _difference(seen, wanted)
            if difference > TOLERANCE:
                return f"{what} {number} differs by {difference:.1f} of 255 on average, more than {TOLERANCE}"
    return None


def encode(rows, channels):
    """Return a PNG of RGB (3 channels) or RGBA (4) rows."""
    colour = {3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), 8, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 3)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def decode(data, channels):
    """Return the rows of a PNG that `encode` wrote."""
    start = len(_SIGNATURE) + 25  # after the header chunk
    size = struct.unpack_from(">I", data, start)[0]
    width = struct.unpack_from(">I", data, len(_SIGNATURE) + 8)[0]
    pixels = zlib.decompress(data[start + 8 : start + 8 + size])
    stride = width * channels + 1
    return [bytearray(pixels[row + 1 : row + stride]) for row in range(0, len(pixels), stride)]


class Frame:
    """One picture of a GIF, still packed."""

    def __init__(self, width, height, palette, code_size, data):
        """Keep what is needed to unpack it."""
        self.width, self.height, self.palette, self.code_size, self.data = width, height, palette, code_size, data

    def rows(self):
        """Return its RGB rows.

        Raises:
            ValueError: If it has another number of pixels than its header says.
        """
        indices = unpack(self.data, self.code_size)
        if len(indices) != self.width * self.height:
            raise ValueError(f"a frame has {len(indices)} pixels, expected {self.width} x {self.height}")
        starts = range(0, len(indices), self.width)
        return [b"".join(map(self.palette.__getitem__, indices[start : start + self.width])) for start in starts]


def read_gif(data):
    """Return width, height and frames of a GIF whose frames are whole pictures, neither cropped nor interlaced.

    Raises:
        ValueError: If it is not such a GIF.
    """
    if data[:6] != b"GIF89a":
        raise ValueError(f"it starts with {data[:6]!r}")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position, shared = 13, None
    if flags & 0x80:
        shared, position = _palette(data, position, flags)
    frames = []
    while data[position] != 0x3B:
        if data[position] == 0x21:
            _, position = _blocks(data, position + 2)
            continue
        if data[position] != 0x2C:
            raise ValueError(f"byte {position} starts no block: {data[position]}")
        left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, position + 1)
        if (left, top, frame_width, frame_height) != (0, 0, width, height) or flags & 0x40:
            raise ValueError(f"frame {len(frames)} is not the whole picture")
        position, palette = position + 10, shared
        if flags & 0x80:
            palette, position = _palette(data, position, flags)
        packed, after = _blocks(data, position + 1)
        frames.append(Frame(width, height, palette, data[position], packed))
        position = after
    if position != len(data) - 1:
        raise ValueError(f"{len(data) - 1 - position} bytes follow its end")
    return width, height, frames


def unpack(packed, code_size):
    """Return the colour numbers of a frame: LZW with codes that grow to 12 bits, lowest bits first.

    Raises:
        ValueError: If a code is used before it has a meaning, or there is no end.
    """
    clear = 1 << code_size
    singles = [bytes((index,)) for index in range(clear)]
    table, width, before = [*singles, b"", b""], code_size + 1, b""
    out, bits, held = [], 0, 0
    for byte in packed:
        bits |= byte << held
        held += 8
        while held >= width:
            code = bits & ((1 << width) - 1)
            bits >>= width
            held -= width
            if code == clear:
                table, width, before = [*singles, b"", b""], code_size + 1, b""
                continue
            if code == clear + 1:
                return b"".join(out)
            if code < len(table):
                entry = table[code]
            elif code == len(table) and before:
                entry = before + before[:1]
            else:
                raise ValueError(f"code {code} has no meaning yet")
            out.append(entry)
            if before and len(table) < 4096:
                table.append(before + entry[:1])
                if len(table) == 1 << width and width < 12:
                    width += 1
            before = entry
    raise ValueError("a frame has no end")


def _palette(data, position, flags):
    after = position + 3 * (2 << (flags & 7))
    return [bytes(data[start : start + 3]) for start in range(position, after, 3)], after


def _blocks(data, position):
    """Return the contents of a chain of blocks, and where it ends."""
    content = []
    while data[position]:
        content.append(data[position + 1 : position + 1 + data[position]])
        position += 1 + data[position]
    return b"".join(content), position + 1


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _draw(rng, width, height, count):
    """Yield the rows of each frame: a wave of colours that runs to the left, and a box that runs to the right."""
    period = width + height
    shift, colour = rng.random(), bytes(rng.randrange(256) for _ in range(3))
    wave = bytes(
        int(127.5 + 127 * math.sin(2 * math.pi * (turns * position / period + shift + phase)))
        for position in range(3 * period)
        for turns, phase in ((1, 0.0), (2, 0.3), (3, 0.6))
    )
    box, top = max(2, width // 6), rng.randrange(height // 2)
    for number in range(count):
        start = number * period // 5 % period
        left = number * (width - box) // max(1, count - 1)
        rows = []
        for y in range(height):
            row = bytearray(wave[3 * (start + y) : 3 * (start + y + width)])
            if top <= y < top + height // 4:
                row[3 * left : 3 * (left + box)] = colour * box
            rows.append(bytes(row))
        yield rows


def _draw_mark(rng, width, height):
    """Return the rows of the watermark: stripes of two colours through which the frame can be seen."""
    dark, light = (bytes((*(rng.randrange(low, low + 64) for _ in range(3)), ALPHA)) for low in (0, 192))
    return [b"".join(dark if (x + y) // 4 % 2 else light for x in range(width)) for y in range(height)]


def _stamp(rows, mark, margin):
    """Lay the watermark over the lower right corner of the frame and return where: left, top, right, bottom."""
    width, height = len(mark[0]) // 4, len(mark)
    left, top = len(rows[0]) // 3 - width - margin, len(rows) - height - margin
    for y, line in enumerate(mark):
        row = rows[top + y]
        for x in range(width):
            alpha = line[4 * x + 3]
            for channel in range(3):
                place = 3 * (left + x) + channel
                row[place] = (line[4 * x + channel] * alpha + row[place] * (255 - alpha)) // 255
    return left, top, left + width, top + height


def _cut(rows, box):
    left, top, right, bottom = box
    return [row[3 * left : 3 * right] for row in rows[top:bottom]]


def _difference(seen, wanted):
    total = sum(abs(a - b) for row, want in zip(seen, wanted, strict=True) for a, b in zip(row, want, strict=True))
    return total / sum(map(len, wanted))
