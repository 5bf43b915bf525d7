"""Write rows as CSV, read them back, and compute on their columns."""

from __future__ import annotations

import csv
import io

PERIOD = 9973
COLUMNS = 8


def base_values(seed):
    """Return 9,973 numbers below 1,000,000 from xorshift32 with shifts 13, 17, 5."""
    values = []
    x = seed
    for _ in range(PERIOD):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        values.append(x % 1000000)
    return values


def written(values, rows):
    """Return the CSV text of the first `rows` rows of a period: column c of row i is value (c + 1) i modulo 9,973."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in range(rows):
        writer.writerow([values[row * column % PERIOD] for column in range(1, COLUMNS + 1)])
    return text.getvalue()


def handler(event, context):
    """Return rows and bytes read, and sum, minimum, maximum and product with its right neighbour of each column."""
    values = base_values(event["seed"])
    rows = csv_bytes = 0
    sums, products = [0] * COLUMNS, [0] * COLUMNS
    minima, maxima = [1000000] * COLUMNS, [-1] * COLUMNS
    for start in range(0, event["rows"], PERIOD):
        with context.phase("generate"):
            text = written(values, min(PERIOD, event["rows"] - start))
        with context.phase("compute"):
            csv_bytes += len(text)
            columns = [list(map(int, column)) for column in zip(*csv.reader(io.StringIO(text)))]  # noqa: B905  # Python 3.9
            rows += len(columns[0])
            for number, column in enumerate(columns):
                sums[number] += sum(column)
                minima[number] = min(minima[number], min(column))
                maxima[number] = max(maxima[number], max(column))
                neighbour = columns[(number + 1) % COLUMNS]
                products[number] += sum(map(int.__mul__, column, neighbour))
    return {
        "rows": rows,
        "csv_bytes": csv_bytes,
        "sums": sums,
        "minima": minima,
        "maxima": maxima,
        "products": products,
    }
