# SPDX-License-Identifier: Apache-2.0
# Goes on asking after each refusal.
# expected: time-out
kept = []
while True:
    try:
        kept.append(bytearray(10**8))
    except MemoryError:
        pass
