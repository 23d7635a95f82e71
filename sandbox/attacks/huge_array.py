# SPDX-License-Identifier: Apache-2.0
# An array of 8 TB.
# expected: memory-limit
import numpy

print(numpy.zeros(10**12).sum())
