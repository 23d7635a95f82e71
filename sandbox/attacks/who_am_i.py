# SPDX-License-Identifier: Apache-2.0
# The name of the machine.
# expected: runtime-error
import os

print("ESCAPED", os.uname())
