# SPDX-License-Identifier: Apache-2.0
# Half a character.
# expected: runtime-error
print("\ud800")
