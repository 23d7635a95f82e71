# SPDX-License-Identifier: Apache-2.0
# A mount.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(165, b"none", b"/usr", b"tmpfs", 0, 0)
print("ESCAPED" if result >= 0 else "refused")
