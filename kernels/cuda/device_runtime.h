// SPDX-License-Identifier: Apache-2.0
#pragma once

// The runtime below device_on.h and training_on.h for a real device: its memory, its stream, its launches.

#include <cuda_runtime.h>

#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "kernels/cuda/view.h"

namespace orrery::kernels::cuda {

// One thread, as the kernel sees it.
struct CompiledContext {
  __device__ int thread() const { return static_cast<int>(threadIdx.x); }
  __device__ Dim block() const { return {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y)}; }
  __device__ void Sync() const { __syncthreads(); }
  template <class T>
  __device__ T Shuffle(T value, int lane) const {
    return __shfl_sync(0xffffffffu, value, lane);
  }
  template <class T>
  __device__ T ShuffleXor(T value, int mask) const {
    return __shfl_xor_sync(0xffffffffu, value, mask);
  }
  template <class T>
  __device__ T AtomicAdd(T& target, T value) const {
    return atomicAdd(&target, value);
  }
};

template <class Kernel>
__global__ void __launch_bounds__(kThreads) RunKernel(const Kernel kernel) {
  __shared__ typename Kernel::Shared shared;
  CompiledContext context;
  kernel(context, shared);
}

class CudaRuntime {
 public:
  // `number` counts from zero. Unavailable without a driver or devices, or if it is older than compute capability 8.0.
  static StatusOr<std::unique_ptr<CudaRuntime>> Open(int number);

  CudaRuntime(int device, std::string name) : device_(device), name_(std::move(name)) {
    Check(cudaSetDevice(device), "no such device");
    Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
  }
  ~CudaRuntime() {
    cudaSetDevice(device_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  std::string Name() const { return name_; }
  Status status() const { return status_; }
  cudaStream_t stream() const { return stream_; }

  void* Allocate(size_t bytes) {
    void* memory = nullptr;
    cudaSetDevice(device_);
    if (const cudaError_t error = cudaMalloc(&memory, bytes); error != cudaSuccess) {
      if (status_.ok()) status_ = Unavailable("{}: no room for {} bytes: {}", name_, bytes, cudaGetErrorString(error));
      return nullptr;
    }
    Check(cudaMemsetAsync(memory, 0, bytes, stream_), "clearing memory");
    return memory;
  }
  void Free(void* memory) {
    cudaSetDevice(device_);
    cudaFree(memory);
  }
  // From memory that is not pinned: the call returns when the values have been read.
  void Upload(const void* host, void* device, size_t bytes) {
    cudaSetDevice(device_);
    Check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the device");
  }
  void Download(const void* device, void* host, size_t bytes) {
    cudaSetDevice(device_);
    Check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "a copy from the device");
    Check(cudaStreamSynchronize(stream_), "waiting for the device");
  }
  void Copy(const void* from, void* to, size_t bytes) {
    cudaSetDevice(device_);
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "a copy on the device");
  }
  // The host may touch it while the device does not.
  void* AllocateShared(size_t bytes) {
    void* memory = nullptr;
    cudaSetDevice(device_);
    if (const cudaError_t error = cudaMallocManaged(&memory, bytes); error != cudaSuccess) {
      if (status_.ok())
        status_ = Unavailable("{}: no room for {} shared bytes: {}", name_, bytes, cudaGetErrorString(error));
      return nullptr;
    }
    Clear(memory, bytes);
    Finish();
    return memory;
  }
  void FreeShared(void* memory) { Free(memory); }
  void Finish() {
    cudaSetDevice(device_);
    Check(cudaStreamSynchronize(stream_), "waiting for the device");
  }
  void Clear(void* device, size_t bytes) {
    cudaSetDevice(device_);
    Check(cudaMemsetAsync(device, 0, bytes, stream_), "clearing memory");
  }

  template <class Kernel>
  void Launch(const Kernel& kernel, Dim blocks) {
    cudaSetDevice(device_);
    RunKernel<<<dim3(blocks.x, blocks.y), kThreads, 0, stream_>>>(kernel);
    Check(cudaGetLastError(), Kernel::kName);
  }

 private:
  void Check(cudaError_t error, const char* what) {
    if (error != cudaSuccess && status_.ok()) status_ = Failed("{}: {}: {}", name_, what, cudaGetErrorString(error));
  }

  int device_;
  std::string name_;
  cudaStream_t stream_ = nullptr;
  Status status_;
};

}  // namespace orrery::kernels::cuda
