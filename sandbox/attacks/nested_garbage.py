# SPDX-License-Identifier: Apache-2.0
# A million nested lists, dropped at once.
# expected: ok
nested = []
for _ in range(10**6):
    nested = [nested]
del nested
print("dropped")
