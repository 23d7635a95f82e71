# SPDX-License-Identifier: Apache-2.0
# Reads address 0.
# expected: signal
import ctypes

ctypes.string_at(0)
