# SPDX-License-Identifier: Apache-2.0
# Closes the output descriptor under a text that waits to be written.
# expected: runtime-error
import os

print("lost")
os.close(1)
