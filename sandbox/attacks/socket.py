# SPDX-License-Identifier: Apache-2.0
# A socket.
# expected: runtime-error
import socket

socket.socket()
print("ESCAPED")
