# SPDX-License-Identifier: Apache-2.0
# Too much output, then a crash: the limit came first.
# expected: output-limit
import ctypes
import os

for _ in range(100):
    os.write(1, b"y" * 4096)
ctypes.string_at(0)
