# SPDX-License-Identifier: Apache-2.0
"""A program without sanitizers, whatever the build asks for: the interpreter that guests run in must die, allocate and be limited as Python does."""

def _without_sanitizers(settings, attr):
    return {
        option: [flag for flag in settings[option] if "-fsanitize" not in flag and "-fno-sanitize" not in flag]
        for option in _OPTIONS
    }

_OPTIONS = ["//command_line_option:copt", "//command_line_option:linkopt"]

_transition = transition(implementation = _without_sanitizers, inputs = _OPTIONS, outputs = _OPTIONS)

def _plain_program(ctx):
    program = ctx.executable.program
    link = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = link, target_file = program, is_executable = True)
    runfiles = ctx.runfiles(files = [program]).merge(ctx.attr.program[0][DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = link, files = depset([link]), runfiles = runfiles)]

plain_program = rule(
    implementation = _plain_program,
    executable = True,
    attrs = {
        "program": attr.label(mandatory = True, executable = True, cfg = _transition),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
)
