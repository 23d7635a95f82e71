# SPDX-License-Identifier: Apache-2.0
# A socket pair as a bare system call.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(53, 1, 1, 0, (ctypes.c_int * 2)())
print("ESCAPED" if result >= 0 else "refused")
