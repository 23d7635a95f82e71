# SPDX-License-Identifier: Apache-2.0
# A package that is not there.
# expected: runtime-error
import requests
