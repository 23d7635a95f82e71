# SPDX-License-Identifier: Apache-2.0
# vfork as a bare system call.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(58)
print("ESCAPED" if result >= 0 else "refused")
