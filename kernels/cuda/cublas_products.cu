// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/cuda/cublas_call.h"
#include "kernels/cuda/cublas_products.h"
#include "kernels/cuda/cuda_device.h"

namespace orrery::kernels::cuda {
namespace {

constexpr int kBlockColumns = 128;  // packed together
// y [kProductRows × n] = x [kProductRows × k]·Wᵀ, which the library sees as yᵀ = W·xᵀ.
Status Prepare(cublasLtHandle_t handle, Type type, int n, int k, int64_t y_stride, Call& call) {
  const cudaDataType_t element = type == Type::kFloat32 ? CUDA_R_32F : CUDA_R_16BF;
  const cublasComputeType_t compute = type == Type::kFloat32 ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F;
  const cublasOperation_t transposed = CUBLAS_OP_T;
  const int depth = PaddedWidth(k);
  ORRERY_RETURN_IF_ERROR(Checked(cublasLtMatmulDescCreate(&call.product, compute, CUDA_R_32F), "a product"));
  ORRERY_RETURN_IF_ERROR(
      Checked(cublasLtMatmulDescSetAttribute(call.product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
              "a transposed product"));
  ORRERY_RETURN_IF_ERROR(Checked(cublasLtMatrixLayoutCreate(&call.w, element, depth, n, depth), "a layout of W"));
  ORRERY_RETURN_IF_ERROR(
      Checked(cublasLtMatrixLayoutCreate(&call.x, element, depth, kProductRows, depth), "a layout of x"));
  ORRERY_RETURN_IF_ERROR(
      Checked(cublasLtMatrixLayoutCreate(&call.y, CUDA_R_32F, n, kProductRows, y_stride), "a layout of y"));
  return Choose(handle, kFullAlignment, fmt::format("a matrix of {} × {}", n, k), call);
}

// W as it is, rows PaddedWidth(k) elements apart with zeros beyond k.
class CublasMatrix : public WeightMatrix {
 public:
  // The first error of packing goes to `error`.
  CublasMatrix(int device, Type type, int n, int k, std::atomic<cudaError_t>& error)
      : WeightMatrix(n, k, kBlockColumns), device_(device), type_(type), error_(error) {
    cudaSetDevice(device_);
    const size_t bytes = static_cast<size_t>(n) * RowBytes();
    Note(cudaMalloc(&data_, bytes));
    if (data_ != nullptr) Note(cudaMemset(data_, 0, bytes));
  }
  ~CublasMatrix() override { cudaFree(data_); }

  void Pack(int block, const float* w) override {
    if (data_ == nullptr) return;
    std::vector<uint8_t> rows(static_cast<size_t>(columns(block)) * RowBytes());
    for (int c = 0; c < columns(block); ++c) {
      const float* from = w + static_cast<size_t>(c) * k();
      uint8_t* to = &rows[static_cast<size_t>(c) * RowBytes()];
      if (type_ == Type::kFloat32) {
        std::memcpy(to, from, static_cast<size_t>(k()) * sizeof(float));
      } else {
        for (int i = 0; i < k(); ++i) reinterpret_cast<uint16_t*>(to)[i] = ToBfloat16(from[i]);
      }
    }
    // Called from several threads: each one has a current device of its own.
    cudaSetDevice(device_);
    Note(cudaMemcpy(static_cast<uint8_t*>(data_) + static_cast<size_t>(block) * kBlockColumns * RowBytes(), rows.data(),
                    rows.size(), cudaMemcpyHostToDevice));
    // The products' stream does not wait for this one.
    Note(cudaStreamSynchronize(cudaStreamLegacy));
  }

  const void* data() const { return data_; }
  Call& call() { return call_; }
  const Call& call() const { return call_; }

 private:
  size_t RowBytes() const { return PaddedWidth(k()) * Size(type_); }
  void Note(cudaError_t error) {
    cudaError_t none = cudaSuccess;
    if (error != cudaSuccess) error_.compare_exchange_strong(none, error);
  }

  int device_;
  Type type_;
  std::atomic<cudaError_t>& error_;
  void* data_ = nullptr;
  Call call_;
};

class CublasProducts : public Products {
 public:
  CublasProducts(int device, Type type, cudaStream_t stream) : device_(device), type_(type), stream_(stream) {}
  ~CublasProducts() override {
    cudaFree(workspace_);
    if (handle_ != nullptr) cublasLtDestroy(handle_);
  }

  Status Start() {
    ORRERY_RETURN_IF_ERROR(Checked(cublasLtCreate(&handle_), "a handle"));
    return Checked(cudaMalloc(&workspace_, kWorkspaceBytes), "a workspace");
  }

  int row_tile() const override { return kProductRows; }

  std::unique_ptr<WeightMatrix> NewMatrix(int n, int k) override {
    auto matrix = std::make_unique<CublasMatrix>(device_, type_, n, k, weights_error_);
    if (status().ok()) Note(Prepare(handle_, type_, n, k, Device::OutputStride(*matrix), matrix->call()));
    return matrix;
  }

  size_t MatrixBytes(int n, int k) const override { return static_cast<size_t>(n) * PaddedWidth(k) * Size(type_); }

  void Multiply(const WeightMatrix& matrix, const void* x, int rows, float* y) override {
    const auto& w = static_cast<const CublasMatrix&>(matrix);
    const Call& call = w.call();
    const size_t x_tile = static_cast<size_t>(kProductRows) * PaddedWidth(matrix.k()) * Size(type_);
    const size_t y_tile = static_cast<size_t>(kProductRows) * Device::OutputStride(matrix);
    const float one = 1, zero = 0;
    for (int first = 0, tile = 0; first < rows; first += kProductRows, ++tile) {
      float* to = y + tile * y_tile;
      Note(Checked(
          cublasLtMatmul(handle_, call.product, &one, w.data(), call.w, static_cast<const uint8_t*>(x) + tile * x_tile,
                         call.x, &zero, to, call.y, to, call.y, &call.algorithm, workspace_, kWorkspaceBytes, stream_),
          "a product"));
    }
  }

  Status status() const override {
    ORRERY_RETURN_IF_ERROR(status_);
    return Checked(weights_error_.load(), "weights");
  }

 private:
  void Note(const Status& status) {
    if (status_.ok()) status_ = status;
  }

  int device_;
  Type type_;
  cudaStream_t stream_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  Status status_;
  std::atomic<cudaError_t> weights_error_{cudaSuccess};
};

}  // namespace

StatusOr<std::unique_ptr<Products>> NewCublasProducts(int device, Type type, cudaStream_t stream) {
  auto products = std::make_unique<CublasProducts>(device, type, stream);
  ORRERY_RETURN_IF_ERROR(products->Start());
  return std::unique_ptr<Products>(std::move(products));
}

}  // namespace orrery::kernels::cuda
