# SPDX-License-Identifier: Apache-2.0
# Work left for the end of the process.
# expected: ok
import atexit

atexit.register(print, "ESCAPED")
print("here")
