# SPDX-License-Identifier: Apache-2.0
# Its thread pointer.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(158, 0x1002, 0)
print("ESCAPED" if result >= 0 else "refused")
