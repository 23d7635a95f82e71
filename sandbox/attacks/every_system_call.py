# SPDX-License-Identifier: Apache-2.0
# Every number that the filter does not name.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)

allowed = {0, 1, 3, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 28, 33, 46, 56, 60, 131, 202, 219, 231, 436, 157, 335, 336}  # the kernel answers the last two (probes) itself, with SIGILL
passed = [number for number in range(480) if number not in allowed and libc.syscall(number, -1, 0, 0, 0, 0, 0) >= 0]
print("ESCAPED %s" % passed if passed else "none passed")
