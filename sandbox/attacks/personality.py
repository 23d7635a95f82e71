# SPDX-License-Identifier: Apache-2.0
# Another personality.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(135, 0)
print("ESCAPED" if result >= 0 else "refused")
