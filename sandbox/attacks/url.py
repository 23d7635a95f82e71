# SPDX-License-Identifier: Apache-2.0
# A page.
# expected: runtime-error
import urllib.request

print("ESCAPED", urllib.request.urlopen("http://127.0.0.1").read())
