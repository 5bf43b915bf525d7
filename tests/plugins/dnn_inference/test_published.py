"""Published tables are read again with care: rows that cannot be right are found, and not used."""

from __future__ import annotations

import pytest

from sebsx_dnn_inference.published import doubts, published_table, sound_rows


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("dnn_models", "bert: 548.1 MB is not the size of 108,891,648 parameters, but of vgg16"),
        ("inference_phases", "cnn warm 36KB: an inference of 122262 ms in a call of 4742 ms"),
        (
            "model_loading",
            (
                "bert: 0.06835 s without a copy is 6.9 times the share that models usually take; "
                "a zero is missing: 0.006835 s?"
            ),
        ),
    ],
)
def test_row_that_cannot_be_right_is_found(table: str, told: str) -> None:
    assert [doubt.text for doubt in doubts(table)] == [told]
    assert len(sound_rows(table)) == len(published_table(table)) - 1


def test_row_that_is_mended_is_no_longer_doubted() -> None:
    rows = published_table("model_loading")
    rows[0]["zero_copy_s"] = "0.006835"
    assert doubts("model_loading", rows) == []
    phases = published_table("inference_phases")
    phases[5]["inference_ms"] = "4732"
    assert [doubt.text for doubt in doubts("inference_phases", phases)] == ["cnn warm 36KB: is there twice"]
