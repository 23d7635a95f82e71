# SPDX-License-Identifier: Apache-2.0
# A socket as a bare system call.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(41, 2, 1, 0)
print("ESCAPED" if result >= 0 else "refused")
