# SPDX-License-Identifier: Apache-2.0
# kill(-1).
# expected: runtime-error
import os

os.kill(-1, 9)
print("ESCAPED")
