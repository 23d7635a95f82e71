# SPDX-License-Identifier: Apache-2.0
# Takes standard output away.
# expected: ok
import sys

sys.stdout = None
print("nobody hears this")
