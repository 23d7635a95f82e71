# SPDX-License-Identifier: Apache-2.0
# A program by posix_spawn.
# expected: runtime-error
import os

os.posix_spawn("/usr/bin/echo", ["echo", "ESCAPED"], {})
