# SPDX-License-Identifier: Apache-2.0
# A number with too many digits as text.
# expected: time-out
import sys

sys.set_int_max_str_digits(0)
print(len(str(7 ** (10**7))))
