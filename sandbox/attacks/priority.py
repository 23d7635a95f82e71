# SPDX-License-Identifier: Apache-2.0
# Its priority.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(141, 0, 0, 5)
print("ESCAPED" if result >= 0 else "refused")
