# SPDX-License-Identifier: Apache-2.0
# KeyboardInterrupt.
# expected: runtime-error
raise KeyboardInterrupt
