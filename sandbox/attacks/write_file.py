# SPDX-License-Identifier: Apache-2.0
# A new file.
# expected: runtime-error
open("/tmp/escaped", "w").write("x")
print("ESCAPED")
