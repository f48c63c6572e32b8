"""Compares the parameters of two runs bit for bit: parameters.py TRAINED IMPORTED.

TRAINED is a run that was trained here, whose checkpoint holds more; IMPORTED is what was imported from its export, in
which nothing is left of the rows of start and padding, since a model never writes them.
"""

import sys

import numpy
import safetensors.numpy

ROWS = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.bias"}
ADDED = 2


def main(*runs):
    trained, imported = (safetensors.numpy.load_file(f"{run}/best.safetensors") for run in runs)
    for name, values in imported.items():
        first = ADDED if name in ROWS else 0
        if not numpy.array_equal(trained[name][first:].view("u4"), values[first:].view("u4")):
            sys.exit(f"{name} differs")


main(*sys.argv[1:])
