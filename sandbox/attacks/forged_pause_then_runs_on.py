# SPDX-License-Identifier: Apache-2.0
# After a forged pause both the forked child and its parent run on; the child is the next step and lies about itself only.
# expected: ok
import ctypes

libc = ctypes.CDLL(None, use_errno=True)

result = libc.syscall(56, 0x8011, 0, ctypes.c_long(0x6f727265727931), 1, 0)
if result > 0:
    while True:
        pass
<end_of_step>
print("this code is never read: the process is the guest's own")
