# SPDX-License-Identifier: Apache-2.0
# Writes what looks like a good report to every descriptor, then fails.
# expected: runtime-error
import os

for descriptor in range(2, 64):
    for text in (b"ok", b"hello\0", b"\1\0\0\0\0\0\0\0"):
        try:
            os.write(descriptor, text)
        except OSError:
            pass
raise ValueError("still an error")
