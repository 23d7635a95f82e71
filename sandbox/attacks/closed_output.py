# SPDX-License-Identifier: Apache-2.0
# Prints after closing standard output.
# expected: runtime-error
import sys

sys.stdout.close()
print("x")
