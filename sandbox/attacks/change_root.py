# SPDX-License-Identifier: Apache-2.0
# Another root.
# expected: runtime-error
import os

os.chroot("/usr")
print("ESCAPED")
