# SPDX-License-Identifier: Apache-2.0
"""Prints model/tokenizer/unicode_tables.h: where the `tokenizers` library's tables differ from those of Debian 12's PCRE2 (Unicode 14) and utf8proc (15).

Its regular expressions know Unicode 16, its Digits Unicode 17, and its NFC Unicode 9. Run with tokenizers 0.23.3 on Debian 12
(libpcre2-32-0, libutf8proc2):  python make_unicode_tables.py > unicode_tables.h
"""
import ctypes

from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def reference_class(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    found = set()
    for start in range(0, len(CODE_POINTS), 4096):
        chunk = CODE_POINTS[start:start + 4096]
        left = "".join(piece for piece, _ in split.pre_tokenize_str("".join(map(chr, chunk))))
        found |= set(chunk) - set(map(ord, left))
    return found


def reference_digits():
    digits = pre_tokenizers.Digits(individual_digits=True)
    found = set()
    for start in range(0, len(CODE_POINTS), 4096):
        text = "".join("a" + chr(c) + "a" for c in CODE_POINTS[start:start + 4096])
        found |= {ord(piece) for piece, _ in digits.pre_tokenize_str(text) if len(piece) == 1 and piece != "a"}
    return found


def pcre2_class(pattern):
    library = ctypes.CDLL("libpcre2-32.so.0")
    library.pcre2_compile_32.restype = library.pcre2_match_data_create_from_pattern_32.restype = ctypes.c_void_p
    error, offset = ctypes.c_int(), ctypes.c_size_t()
    units = (ctypes.c_uint32 * len(pattern))(*map(ord, pattern))
    utf, ucp = 0x00080000, 0x00020000
    code = ctypes.c_void_p(library.pcre2_compile_32(units, ctypes.c_size_t(len(pattern)), utf | ucp, ctypes.byref(error), ctypes.byref(offset), None))
    data = ctypes.c_void_p(library.pcre2_match_data_create_from_pattern_32(code, None))
    one = (ctypes.c_uint32 * 1)()
    found = set()
    for c in CODE_POINTS:
        one[0] = c
        if library.pcre2_match_32(code, one, ctypes.c_size_t(1), ctypes.c_size_t(0), 0, data, None) > 0:
            found.add(c)
    return found


def utf8proc_nfc(text):
    library, libc = ctypes.CDLL("libutf8proc.so.2"), ctypes.CDLL(None)
    library.utf8proc_map.restype = ctypes.c_ssize_t
    raw, out = text.encode(), ctypes.c_void_p()
    stable_compose = (1 << 1) | (1 << 3)
    length = library.utf8proc_map(raw, ctypes.c_ssize_t(len(raw)), ctypes.byref(out), stable_compose)
    result = ctypes.string_at(out, length).decode()
    libc.free(out)
    return result


def later_marks():
    """Marks that the reference takes for starters: between a mark of class 218 and one of class 1 they stop the reordering."""
    nfc = normalizers.NFC()
    found = set()
    for c in CODE_POINTS:
        text = "a\u302a" + chr(c) + "\u0334"
        if nfc.normalize_str(text) != utf8proc_nfc(text):
            found.add(c)
    pair = "\U00011935\U00011930"  # composed since Unicode 13
    if nfc.normalize_str(pair) != utf8proc_nfc(pair):
        found.add(0x11930)
    return found


def ranges(code_points):
    result = []
    for c in sorted(code_points):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def pattern_constant(name, comment, code_points):
    print(f"\n// {comment}\ninline constexpr char {name}[] =")
    line = ""
    for first, last in ranges(code_points):
        item = f"\\\\x{{{first:X}}}" + (f"-\\\\x{{{last:X}}}" if last > first else "")
        if len(line) + len(item) > 100:
            print(f'    "{line}"')
            line = ""
        line += item
    print(f'    "{line}";')


def main():
    letters, numbers = reference_class(r"\p{L}"), reference_class(r"\p{N}")
    print("// SPDX-License-Identifier: Apache-2.0\n#pragma once\n")
    print("// Where the reference tokenizer's Unicode tables differ from those of PCRE2 and utf8proc: made by")
    print("// tests/model/golden/make_unicode_tables.py. The first three are pieces of a PCRE2 character class.\n")
    print("#include <cstdint>\n\nnamespace orrery::model {")
    pattern_constant("kLaterLetters", "Letters (L) that came with Unicode 15 to 16.", letters - pcre2_class(r"\p{L}"))
    pattern_constant("kLaterNumbers", "Numbers (N) that came with Unicode 15 to 16.", numbers - pcre2_class(r"\p{N}"))
    pattern_constant("kLaterDigits", "Numbers that only the reference's Digits knows (Unicode 17).", reference_digits() - numbers)
    print("\n// Combining marks that came with Unicode 10 to 15: the reference's NFC knows Unicode 9 and neither moves nor composes them.")
    print("struct CodePointRange {\n  uint32_t first, last;\n};\ninline constexpr CodePointRange kLaterMarks[] = {")
    line = "   "
    for first, last in ranges(later_marks()):
        item = f" {{0x{first:X}, 0x{last:X}}},"
        if len(line) + len(item) > 116:
            print(line)
            line = "   "
        line += item
    print(f"{line}\n}};\n\n}}  // namespace orrery::model")


main()
