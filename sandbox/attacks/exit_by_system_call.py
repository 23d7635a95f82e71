# SPDX-License-Identifier: Apache-2.0
# Leaves by the bare system call.
# expected: runtime-error
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(231, 0)
