# SPDX-License-Identifier: Apache-2.0
# Another process's descriptor.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(438, 0, 0, 0)
print("ESCAPED" if result >= 0 else "refused")
