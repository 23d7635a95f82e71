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
