# SPDX-License-Identifier: Apache-2.0
# /proc.
# expected: runtime-error
print("ESCAPED", open("/proc/self/environ").read())
