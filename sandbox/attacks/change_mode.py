# SPDX-License-Identifier: Apache-2.0
# A changed mode.
# expected: runtime-error
import os

os.chmod("/", 0o777)
print("ESCAPED")
