# SPDX-License-Identifier: Apache-2.0
# A message queue that outlives it.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(68, 0, 0o1777)
print("ESCAPED" if result >= 0 else "refused")
