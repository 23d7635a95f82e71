# SPDX-License-Identifier: Apache-2.0
# Bytes without end.
# expected: memory-limit
kept = []
while True:
    kept.append(b"x" * 10**7 + bytes([len(kept) % 256]))
