"""flatc as a Bazel rule: a schema becomes a C++ header."""

def flatbuffer_cc_library(name, src, includes = [], deps = []):
    """Makes `<stem>_generated.h` of `src`; include it as "schema/<stem>_generated.h".

    Args:
      name: of the cc_library.
      src: the schema.
      includes: schemas that `src` includes.
      deps: the cc_libraries of those.
    """
    header = src.replace(".fbs", "_generated.h")
    native.genrule(
        name = name + "_header",
        srcs = [src] + includes,
        outs = [header],
        cmd = "flatc --cpp --cpp-std c++17 --scoped-enums --include-prefix schema -I schema -o $(@D) $(location %s)" % src,
    )
    native.cc_library(
        name = name,
        hdrs = [header],
        visibility = ["//visibility:public"],
        deps = deps + ["//third_party:flatbuffers"],
    )

def embedded_schema(name, src, symbol):
    """Makes `<stem>_schema.cc` of `src`: the compiled schema with its comments and attributes, as bytes.

    Args:
      name: of the genrule.
      src: the schema.
      symbol: what the bytes are called; `<stem>_schema.h` declares it, and its size.
    """
    stem = src.replace(".fbs", "")
    native.genrule(
        name = name,
        srcs = [src],
        outs = [stem + ".bfbs", stem + "_schema.cc"],
        cmd = """
      flatc --schema -b --bfbs-comments --bfbs-builtins -o $(RULEDIR) $(location {src})
      {{
        echo '#include "schema/{stem}_schema.h"'
        echo 'namespace orrery::schema {{'
        echo 'alignas(8) const unsigned char {symbol}[] = {{'
        od -An -v -tx1 $(location {stem}.bfbs) | sed 's/ \\(..\\)/0x\\1,/g'
        echo '}};'
        echo 'const size_t {symbol}Size = sizeof({symbol});'
        echo '}}  // namespace orrery::schema'
      }} > $(location {stem}_schema.cc)
    """.format(src = src, stem = stem, symbol = symbol),
    )
