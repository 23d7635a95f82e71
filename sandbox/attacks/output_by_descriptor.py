# SPDX-License-Identifier: Apache-2.0
# Writes to the descriptor itself, without end.
# expected: output-limit
import os

while True:
    os.write(1, b"y" * 4096)
