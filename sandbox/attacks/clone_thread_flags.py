# SPDX-License-Identifier: Apache-2.0
# clone with a thread's flags as a bare system call.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
print("ESCAPED" if libc.syscall(56, 0x3D0F00, 0, 0, 0, 0) >= 0 else "refused")
