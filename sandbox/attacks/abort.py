# SPDX-License-Identifier: Apache-2.0
# Aborts.
# expected: signal
import os

os.abort()
