# SPDX-License-Identifier: Apache-2.0
# io_uring, which does its work past the filter.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(425, 8, (ctypes.c_char * 120)())
print("ESCAPED" if result >= 0 else "refused")
