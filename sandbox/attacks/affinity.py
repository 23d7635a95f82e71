# SPDX-License-Identifier: Apache-2.0
# Its place on the processors.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(203, 0, 8, (ctypes.c_long * 1)(1))
print("ESCAPED" if result >= 0 else "refused")
