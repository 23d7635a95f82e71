// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>
#include <utility>

#include "kernels/cuda/cublas_call.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/device_runtime.h"
#include "kernels/cuda/training_on.h"

namespace orrery::kernels::cuda {
namespace {

// The largest power of two up to kFullAlignment that divides all addresses.
uint32_t AlignmentOf(const void* a, const void* b, const void* c) {
  const uintptr_t bits =
      reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) | reinterpret_cast<uintptr_t>(c) | kFullAlignment;
  return static_cast<uint32_t>(bits & (~bits + 1));
}

// An algorithm is chosen once for each size of the factors and alignment of their addresses, without a split of k: the
// same training makes the same calls.
class CublasTrainingProducts : public TrainingProducts {
 public:
  CublasTrainingProducts(Type type, cudaStream_t stream) : type_(type), stream_(stream) {}
  ~CublasTrainingProducts() override {
    calls_.clear();
    cudaFree(workspace_);
    if (handle_ != nullptr) cublasLtDestroy(handle_);
  }

  Status Start() {
    ORRERY_RETURN_IF_ERROR(Checked(cublasLtCreate(&handle_), "a handle"));
    return Checked(cudaMalloc(&workspace_, kWorkspaceBytes), "a workspace");
  }

  void Multiply(const Factor& a, const Factor& b, int m, int n, int k, bool add, float* c) override {
    if (!status_.ok()) return;
    const uint32_t alignment = AlignmentOf(a.data, b.data, c);
    const auto [found, fresh] =
        calls_.try_emplace({m, n, k, a.transposed, b.transposed, a.stride, b.stride, int64_t{alignment}});
    Call& call = found->second;
    if (fresh) status_ = Prepare(a, b, m, n, k, alignment, call);
    if (!status_.ok()) return;
    const float one = 1, before = add ? 1 : 0;
    status_ = Checked(cublasLtMatmul(handle_, call.product, &one, b.data, call.w, a.data, call.x, &before, c, call.y, c,
                                     call.y, &call.algorithm, workspace_, kWorkspaceBytes, stream_),
                      "a product");
  }
  Status status() const override { return status_; }

 private:
  // The library counts in columns, so it sees cᵀ [n × m] = bᵀ·aᵀ, and each factor's transpose in memory.
  Status Prepare(const Factor& a, const Factor& b, int m, int n, int k, uint32_t alignment, Call& call) const {
    const cudaDataType_t element = type_ == Type::kFloat32 ? CUDA_R_32F : CUDA_R_16BF;
    const cublasComputeType_t compute = type_ == Type::kFloat32 ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F;
    ORRERY_RETURN_IF_ERROR(Checked(cublasLtMatmulDescCreate(&call.product, compute, CUDA_R_32F), "a product"));
    for (const auto& [attribute, transposed] :
         {std::pair{CUBLASLT_MATMUL_DESC_TRANSA, b.transposed}, {CUBLASLT_MATMUL_DESC_TRANSB, a.transposed}}) {
      const cublasOperation_t operation = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
      ORRERY_RETURN_IF_ERROR(
          Checked(cublasLtMatmulDescSetAttribute(call.product, attribute, &operation, sizeof operation),
                  "a transposed product"));
    }
    ORRERY_RETURN_IF_ERROR(Checked(
        cublasLtMatrixLayoutCreate(&call.w, element, b.transposed ? k : n, b.transposed ? n : k, b.stride), "b"));
    ORRERY_RETURN_IF_ERROR(Checked(
        cublasLtMatrixLayoutCreate(&call.x, element, a.transposed ? m : k, a.transposed ? k : m, a.stride), "a"));
    ORRERY_RETURN_IF_ERROR(Checked(cublasLtMatrixLayoutCreate(&call.y, CUDA_R_32F, n, m, n), "c"));
    return Choose(handle_, alignment, fmt::format("a training's product of {} × {} by {} × {}", m, k, k, n), call);
  }

  Type type_;
  cudaStream_t stream_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<std::array<int64_t, 8>, Call> calls_;
  Status status_;
};

}  // namespace

StatusOr<std::unique_ptr<TrainingOps>> NewCudaTraining(int number, Type type) {
  ORRERY_ASSIGN_OR_RETURN(std::unique_ptr<CudaRuntime> runtime, CudaRuntime::Open(number));
  auto products = std::make_unique<CublasTrainingProducts>(type, runtime->stream());
  ORRERY_RETURN_IF_ERROR(products->Start());
  return std::unique_ptr<TrainingOps>(
      std::make_unique<TrainingOn<CudaRuntime>>(type, std::move(runtime), std::move(products)));
}

}  // namespace orrery::kernels::cuda
