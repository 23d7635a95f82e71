# SPDX-License-Identifier: Apache-2.0
# A program by subprocess.
# expected: runtime-error
import subprocess

print("ESCAPED", subprocess.run(["/usr/bin/id"], capture_output=True).stdout)
