# SPDX-License-Identifier: Apache-2.0
# An exception with a text of 100 MB.
# expected: runtime-error
raise ValueError("x" * 10**8)
