# SPDX-License-Identifier: Apache-2.0
# A mapped file by numpy.
# expected: runtime-error
import numpy

print("ESCAPED", numpy.memmap("/usr/bin/python3", mode="r")[:10])
