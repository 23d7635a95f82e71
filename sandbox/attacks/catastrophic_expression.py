# SPDX-License-Identifier: Apache-2.0
# A regular expression that backtracks for ever.
# expected: time-out
import re

print(re.match("(a+)+$", "a" * 60 + "b"))
