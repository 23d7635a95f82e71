# SPDX-License-Identifier: Apache-2.0
# Becomes another program.
# expected: runtime-error
import os

os.execv("/usr/bin/echo", ["echo", "ESCAPED"])
