# SPDX-License-Identifier: Apache-2.0
# An exception that is no Exception.
# expected: runtime-error
class Odd(BaseException):
    pass


raise Odd("odd")
