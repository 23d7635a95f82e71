# SPDX-License-Identifier: Apache-2.0
# A file of the machine.
# expected: runtime-error
print("ESCAPED", open("/etc/passwd").read())
