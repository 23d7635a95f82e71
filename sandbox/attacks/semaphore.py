# SPDX-License-Identifier: Apache-2.0
# A semaphore that outlives it.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(64, 0, 1, 0o1777)
print("ESCAPED" if result >= 0 else "refused")
