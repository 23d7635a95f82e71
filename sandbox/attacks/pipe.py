# SPDX-License-Identifier: Apache-2.0
# A pipe.
# expected: runtime-error
import os

os.pipe()
print("ESCAPED")
