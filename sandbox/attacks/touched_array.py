# SPDX-License-Identifier: Apache-2.0
# Arrays that are written to, one after the other.
# expected: memory-limit
import numpy

kept = []
while True:
    kept.append(numpy.ones(10**7))
