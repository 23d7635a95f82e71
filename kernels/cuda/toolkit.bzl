# SPDX-License-Identifier: Apache-2.0
"""The CUDA toolkit as the repository @cuda, asked for under --config=cuda only, and the rule that calls its nvcc."""

_MISSING = """no CUDA toolkit in {home}: --config=cuda needs nvcc (13.0 is what it is tried with) and cuBLASLt.
Set CUDA_HOME to a folder with bin/nvcc, include/ and lib64/ or lib/ (CUDA_HOME=... ./bazelw build --config=cuda ...), or have it in
/usr/local/cuda. It comes with NVIDIA's toolkit (developer.nvidia.com/cuda-downloads), or with wheels from PyPI:
  pip install nvidia-cuda-nvcc nvidia-cuda-runtime nvidia-cuda-crt nvidia-cuda-cccl nvidia-nvvm nvidia-cublas
where CUDA_HOME is .../site-packages/nvidia/cu13."""

_BUILD = """
package(default_visibility = ["//visibility:public"])

exports_files(["nvcc.sh"])

cc_library(
    name = "libraries",
    linkopts = [{linkopts}],
)
"""

def _library(folder, name):
    """The file of a library, of whichever version."""
    if not folder.exists:
        return None
    found = sorted([f.basename for f in folder.readdir() if f.basename.startswith(name)])
    return found[0] if found else None

def _toolkit_impl(repository):
    home = repository.path(repository.os.environ.get("CUDA_HOME", "") or "/usr/local/cuda")
    nvcc = home.get_child("bin").get_child("nvcc")
    for folder in [home.get_child("lib64"), home.get_child("lib")]:
        runtime = _library(folder, "libcudart_static.a") or _library(folder, "libcudart.so")
        products = _library(folder, "libcublasLt.so")
        if nvcc.exists and runtime and products:
            options = ["-L%s" % folder, "-Wl,-rpath,%s" % folder, "-l:" + products, "-l:" + runtime, "-ldl", "-lrt", "-pthread"]
            repository.file("nvcc.sh", "#!/bin/sh\nexec '%s' \"$@\"\n" % nvcc)
            repository.file("BUILD", _BUILD.format(linkopts = ", ".join(["\"%s\"" % o for o in options])))
            return
    fail(_MISSING.format(home = home))

cuda_toolkit = repository_rule(
    implementation = _toolkit_impl,
    environ = ["CUDA_HOME"],
    local = True,
)

_FLAGS = [
    "-std=c++20",
    "-O3",
    # Multiplications and additions are fused where the source says so and nowhere else: the bits are the reference's.
    "-fmad=false",
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_90,code=sm_90",
    "-gencode=arch=compute_90,code=compute_90",
    "-Xcompiler=-fPIC,-ffp-contract=off",
    # Intermediate files beside the object, not in /tmp: their names come from process numbers, which repeat between sandboxes.
    "--objdir-as-tempdir",
    # fmt takes nvcc for a compiler without constant expressions.
    "-DFMT_USE_CONSTEXPR=1",
    "-DFMT_CONSTEVAL=",
    # nvcc reads the attribute of a return value as one of its assignment.
    "-diag-suppress=2810",
    "-I.",
]

def _nvcc_objects_impl(ctx):
    headers = depset(ctx.files.hdrs, transitive = [d[CcInfo].compilation_context.headers for d in ctx.attr.deps])
    objects = []
    for source in ctx.files.srcs:
        out = ctx.actions.declare_file(source.basename + ".pic.o")
        ctx.actions.run(
            executable = ctx.file._nvcc,
            arguments = _FLAGS + ["-c", source.path, "-o", out.path],
            inputs = depset([source], transitive = [headers]),
            outputs = [out],
            mnemonic = "Nvcc",
            progress_message = "Compiling %s for sm_80 and sm_90" % source.short_path,
            use_default_shell_env = True,
        )
        objects.append(out)
    return [DefaultInfo(files = depset(objects))]

nvcc_objects = rule(
    implementation = _nvcc_objects_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".cu"]),
        "hdrs": attr.label_list(allow_files = [".h"]),
        "deps": attr.label_list(providers = [CcInfo]),
        "_nvcc": attr.label(default = "@cuda//:nvcc.sh", allow_single_file = True),
    },
)
