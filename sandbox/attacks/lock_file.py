# SPDX-License-Identifier: Apache-2.0
# A file lock.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(73, 1, 2)
print("ESCAPED" if result >= 0 else "refused")
