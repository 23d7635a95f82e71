# SPDX-License-Identifier: Apache-2.0
# A timer.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(222, 0, 0, (ctypes.c_int * 1)())
print("ESCAPED" if result >= 0 else "refused")
