# SPDX-License-Identifier: Apache-2.0
# Its own memory as a file.
# expected: runtime-error
print("ESCAPED", open("/proc/self/mem", "rb+"))
