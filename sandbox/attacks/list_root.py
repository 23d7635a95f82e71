# SPDX-License-Identifier: Apache-2.0
# The root folder.
# expected: runtime-error
import os

print("ESCAPED", os.listdir("/"))
