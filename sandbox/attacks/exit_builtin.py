# SPDX-License-Identifier: Apache-2.0
# The builtin exit.
# expected: runtime-error
exit()
