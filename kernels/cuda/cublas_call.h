// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the calls of cuBLASLt have in common: descriptions, and the choice of an algorithm whose sums have one order.

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace orrery::kernels::cuda {

inline constexpr size_t kWorkspaceBytes = size_t{32} << 20;
inline constexpr uint32_t kFullAlignment = 256;  // bytes; of what cudaMalloc gives

inline Status Checked(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return absl::OkStatus();
  return Failed("cuBLASLt: {}: {}", what, cublasLtGetStatusString(status));
}

inline Status Checked(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return absl::OkStatus();
  return Failed("CUDA: {}: {}", what, cudaGetErrorString(error));
}

// What a call needs besides addresses: y = w·x in the library's eyes, which counts in columns.
struct Call {
  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (w != nullptr) cublasLtMatrixLayoutDestroy(w);
    if (x != nullptr) cublasLtMatrixLayoutDestroy(x);
    if (y != nullptr) cublasLtMatrixLayoutDestroy(y);
    if (product != nullptr) cublasLtMatmulDescDestroy(product);
  }
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t w = nullptr, x = nullptr, y = nullptr;
  cublasLtMatmulAlgo_t algorithm = {};
};

// No part of k is summed on its own.
inline bool InOnePiece(const cublasLtMatmulAlgo_t& algorithm) {
  int32_t pieces = 1;
  uint32_t scheme = 0;
  size_t written = 0;
  cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &pieces, sizeof pieces, &written);
  cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme, sizeof scheme,
                                       &written);
  return pieces <= 1 && scheme == CUBLASLT_REDUCTION_SCHEME_NONE;
}

// For addresses that are multiples of `alignment` bytes; an error names `what` is multiplied.
inline Status Choose(cublasLtHandle_t handle, uint32_t alignment, const std::string& what, Call& call) {
  cublasLtMatmulPreference_t preference = nullptr;
  ORRERY_RETURN_IF_ERROR(Checked(cublasLtMatmulPreferenceCreate(&preference), "a preference"));
  const uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
  const size_t workspace = kWorkspaceBytes;
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme, sizeof scheme);
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                       sizeof workspace);
  for (const auto attribute : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                               CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    cublasLtMatmulPreferenceSetAttribute(preference, attribute, &alignment, sizeof alignment);
  cublasLtMatmulHeuristicResult_t found[16];
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, call.product, call.w, call.x, call.y, call.y,
                                                               preference, 16, found, &count);
  cublasLtMatmulPreferenceDestroy(preference);
  ORRERY_RETURN_IF_ERROR(Checked(status, "no algorithm"));
  for (int i = 0; i < count; ++i) {
    if (found[i].state != CUBLAS_STATUS_SUCCESS || !InOnePiece(found[i].algo)) continue;
    call.algorithm = found[i].algo;
    return absl::OkStatus();
  }
  return Failed("cuBLASLt has no algorithm without a split of k for {}", what);
}

}  // namespace orrery::kernels::cuda
