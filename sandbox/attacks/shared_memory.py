# SPDX-License-Identifier: Apache-2.0
# Shared memory that outlives it.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(29, 0, 4096, 0o1777)
print("ESCAPED" if result >= 0 else "refused")
