# SPDX-License-Identifier: Apache-2.0
# Clears its globals for the step after it.
# expected: ok
globals().clear()
<end_of_step>
print(len("abc"))
