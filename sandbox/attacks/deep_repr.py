# SPDX-License-Identifier: Apache-2.0
# Overflows the C stack in a repr.
# expected: signal
import sys

sys.setrecursionlimit(10**7)


class Nested:
    def __repr__(self):
        return repr(Nested())


print(Nested())
