# SPDX-License-Identifier: Apache-2.0
# A file by numpy.
# expected: runtime-error
import numpy

numpy.save("/tmp/escaped.npy", numpy.ones(3))
print("ESCAPED")
