# SPDX-License-Identifier: Apache-2.0
# A link.
# expected: runtime-error
import os

os.symlink("/etc", "/escaped")
print("ESCAPED")
