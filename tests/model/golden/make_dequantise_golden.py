# SPDX-License-Identifier: Apache-2.0
"""Writes dequantise.gguf: for each tensor type seeded random blocks ("TYPE.raw") and what the gguf Python package reads in them ("TYPE.expected").

Run with Python 3.11, gguf 0.19.0 and numpy 2:  python make_dequantise_golden.py dequantise.gguf
"""
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, GGUFWriter
from gguf.quants import dequantize

ROWS = 2
TYPES = [T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q4_K, T.Q5_K, T.Q6_K]
# Where the float16 scales and minima of a block lie; the other bytes may hold anything.
HALVES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}


def blocks(kind, generator):
    """ROWS rows of two blocks (of 36 numbers for the plain types) as the file stores them."""
    if kind == T.F32:
        return generator.standard_normal((ROWS, 36), dtype=np.float32)
    if kind == T.F16:
        return generator.standard_normal((ROWS, 36), dtype=np.float32).astype(np.float16)
    if kind == T.BF16:
        return (generator.standard_normal((ROWS, 36), dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    size = GGML_QUANT_SIZES[kind][1]
    raw = generator.integers(0, 256, (ROWS, 2, size), dtype=np.uint8)
    for place in HALVES[kind]:
        scales = generator.standard_normal((ROWS, 2, 1)).astype(np.float16)
        scales[0, 0] = np.float16(6e-8)  # a subnormal one
        raw[:, :, place:place + 2] = scales.view(np.uint8)
    return raw.reshape(ROWS, 2 * size)


def main():
    generator = np.random.default_rng(20250301)
    writer = GGUFWriter(sys.argv[1], "golden")
    writer.add_uint32("golden.unsigned", 4294967295)
    writer.add_int32("golden.signed", -7)
    writer.add_float32("golden.float", 1.5)
    writer.add_bool("golden.boolean", True)
    writer.add_string("golden.string", "Schl\u00fcssel")
    writer.add_array("golden.strings", ["", "a", "\u4e2d"])
    writer.add_array("golden.integers", [3, -1, 2])
    for kind in TYPES:
        raw = blocks(kind, generator)
        writer.add_tensor(f"{kind.name}.raw", raw, raw_dtype=kind)
        writer.add_tensor(f"{kind.name}.expected", dequantize(raw, kind).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
