# SPDX-License-Identifier: Apache-2.0
# Closes everything, then fails without a way to say how.
# expected: runtime-error
import os

os.closerange(0, 1024)
raise ValueError("unheard")
