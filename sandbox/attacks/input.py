# SPDX-License-Identifier: Apache-2.0
# Asks a person.
# expected: runtime-error
input("name? ")
