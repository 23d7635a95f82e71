# SPDX-License-Identifier: Apache-2.0
# Its own limits.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(302, 0, 9, 0, (ctypes.c_long * 2)())
print("ESCAPED" if result >= 0 else "refused")
