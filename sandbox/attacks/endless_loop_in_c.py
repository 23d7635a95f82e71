# SPDX-License-Identifier: Apache-2.0
# A loop in C that no signal handler interrupts.
# expected: time-out
print(sum(range(10**12)))
