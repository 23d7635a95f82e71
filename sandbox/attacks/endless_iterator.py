# SPDX-License-Identifier: Apache-2.0
# An iterator without end, in C.
# expected: time-out
import itertools

print(sum(itertools.repeat(1)))
