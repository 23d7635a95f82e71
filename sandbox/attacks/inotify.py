# SPDX-License-Identifier: Apache-2.0
# Watches files.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(294, 0)
print("ESCAPED" if result >= 0 else "refused")
