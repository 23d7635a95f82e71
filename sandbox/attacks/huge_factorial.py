# SPDX-License-Identifier: Apache-2.0
# A factorial that takes minutes.
# expected: time-out
import math

print(math.factorial(10**8) % 7)
