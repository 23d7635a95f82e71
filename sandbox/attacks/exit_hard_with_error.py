# SPDX-License-Identifier: Apache-2.0
# Leaves by os._exit with a bad status.
# expected: runtime-error
import os

os._exit(77)
