# SPDX-License-Identifier: Apache-2.0
# userfaultfd.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(323, 0)
print("ESCAPED" if result >= 0 else "refused")
