# SPDX-License-Identifier: Apache-2.0
# A new folder.
# expected: runtime-error
import os

os.mkdir("/escaped")
print("ESCAPED")
