"""Every name of a place, against a table written by hand."""

from __future__ import annotations

import pytest

from seqablate.signals import Place
from seqablate.signals.fit import Source

# part, layer, direction, state: label; words; slug; symbol
NAMES = {
    ("rnn", 0, "forward", "h"): ("h layer 0", "h", "h_layer0", "h"),
    ("lstm", 1, "forward", "c"): ("c layer 1", "c (layer 1)", "c_layer1", "c"),
    ("gru", 0, "reverse", "h"): ("h layer 0 reverse", "h (reverse)", "h_layer0_reverse", "h←"),
    ("lstm", 2, "reverse", "c"): ("c layer 2 reverse", "c (layer 2, reverse)", "c_layer2_reverse", "c←"),
    ("encoder", 0, "forward", "h"): ("encoder h layer 0", "h (encoder)", "encoder_h_layer0", "encoder h"),
    ("decoder", 0, "forward", "c"): ("decoder c layer 0", "c (decoder)", "decoder_c_layer0", "decoder c"),
    ("encoder", 1, "reverse", "h"): (
        "encoder h layer 1 reverse", "h (encoder, layer 1, reverse)", "encoder_h_layer1_reverse", "encoder h←",
    ),
    ("mlp", None, "forward", "h"): ("h", "h", "h_layers", "h"),
    ("gru", None, "reverse", "h"): ("h reverse", "h (reverse)", "h_reverse_layers", "h←"),
    ("encoder", None, "forward", "h"): ("encoder h", "h (encoder)", "encoder_h_layers", "encoder h"),
}  # fmt: skip
# From the one that stands for a run downwards.
RANKS = [
    ("encoder", 0, "forward", "c"), ("encoder", 0, "forward", "h"), ("decoder", 0, "forward", "c"),
    ("decoder", 0, "forward", "h"), ("encoder", 0, "reverse", "c"), ("encoder", 0, "reverse", "h"),
    ("encoder", 1, "forward", "c"), ("encoder", 1, "reverse", "h"),
]  # fmt: skip


def place(part: str, layer: int | None, direction: str, state: str) -> Place:
    return Place(part=part, layer=layer, direction=direction, state=state)


@pytest.mark.parametrize(("fields", "names"), NAMES.items(), ids=lambda v: v[2])
def test_a_place_is_called_what_the_table_says(fields, names):
    at = place(*fields)
    assert (at.label, at.words, at.slug, at.symbol) == names


def test_the_first_layers_memory_stands_for_a_run():
    ranks = [place(*fields).rank for fields in RANKS]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)


def test_a_place_comes_back_from_the_fields_of_a_row():
    at = place("encoder", 1, "reverse", "c")
    assert Source(quantity="lag", **vars(at)).place == at
