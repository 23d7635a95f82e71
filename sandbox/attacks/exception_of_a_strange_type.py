# SPDX-License-Identifier: Apache-2.0
# An exception whose type lies about everything.
# expected: runtime-error
class Type(type):
    def __getattribute__(cls, name):
        raise RuntimeError(name)


class Odd(Exception, metaclass=Type):
    pass


raise Exception.__new__(Odd)
