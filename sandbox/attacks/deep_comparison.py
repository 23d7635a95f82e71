# SPDX-License-Identifier: Apache-2.0
# Overflows the C stack in a comparison of nested lists.
# expected: signal
import sys

sys.setrecursionlimit(10**7)
one, other = [], []
for _ in range(10**5):
    one, other = [one], [other]
print(one == other)
