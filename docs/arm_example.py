"""Writes the rows that the model `example` learns from: the campaign `train` of the preset `medium`, to six digits.

```
sebsx run experiment arm-prediction --platform local,docker-arm --preset medium
sebsx export last -f saaf -o campaign.csv
python docs/arm_example.py campaign.csv
```
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sebsx.model.frame import Frame
from sebsx_arm_prediction import example
from sebsx_arm_prediction.dataset import Dataset
from sebsx_arm_prediction.files import read_files, write_file

if TYPE_CHECKING:
    from sebsx.model.frame import Numbers

DIGITS = 6  # significant ones: no clock here tells more, and the file ships


def main() -> None:
    """Read a campaign and write what ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", type=Path)
    parser.add_argument("--output", type=Path, default=Path(example.__file__).with_name("example_profiles.csv"))
    asked = parser.parse_args()
    rows = read_files([asked.campaign]).select(campaign="train")
    numbers = {name: rounded(rows[name]) for name in rows.frame.names}
    write_file(Dataset(frame=rows.frame.beside(Frame(numbers, {}))), asked.output)
    sys.stdout.write(f"{len(rows):,} rows of {len(rows.functions)} functions in {asked.output}\n")


def rounded(values: Numbers) -> Numbers:
    """Return numbers to so many significant digits; what is missing stays so."""
    found: Numbers = np.array([float(f"{value:.{DIGITS}g}") for value in values])
    return found


if __name__ == "__main__":
    main()
