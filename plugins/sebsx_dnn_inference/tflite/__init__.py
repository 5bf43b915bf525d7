"""Writes an ONNX model as a TFLite file: neither TensorFlow nor PyTorch is needed, which PyPI has no small build of.

`graph` reads the model with its sizes filled in, `flat` writes the file, `layers` and `pictures` turn an operator each.
"""

from __future__ import annotations
