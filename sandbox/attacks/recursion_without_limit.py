# SPDX-License-Identifier: Apache-2.0
# Recursion with the limit taken away: the frames fill the memory.
# expected: memory-limit
import sys

sys.setrecursionlimit(2**31 - 1)


def deeper(n):
    kept = [n] * 100000
    return deeper(n + 1) + len(kept)


deeper(0)
