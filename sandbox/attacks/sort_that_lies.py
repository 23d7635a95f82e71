# SPDX-License-Identifier: Apache-2.0
# A comparison that contradicts itself.
# expected: ok
import itertools

flip = itertools.cycle([True, False])


class Odd:
    def __lt__(self, other):
        return next(flip)


print(len(sorted(Odd() for _ in range(10000))))
