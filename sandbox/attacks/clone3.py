# SPDX-License-Identifier: Apache-2.0
# clone3, which no filter can look into.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(435, 0, 0)
print("ESCAPED" if result >= 0 else "refused")
