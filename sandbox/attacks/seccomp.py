# SPDX-License-Identifier: Apache-2.0
# A filter of its own.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(317, 1, 0, 0)
print("ESCAPED" if result >= 0 else "refused")
