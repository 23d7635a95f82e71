// SPDX-License-Identifier: Apache-2.0
#include <cublasLt.h>
#include <cuda_runtime.h>

#include <utility>

#include "kernels/cuda/cublas_products.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/device_on.h"

namespace orrery::kernels::cuda {
namespace {

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
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "a copy on the device");
  }
  void Clear(void* device, size_t bytes) { Check(cudaMemsetAsync(device, 0, bytes, stream_), "clearing memory"); }

  template <class Kernel>
  void Launch(const Kernel& kernel, Dim blocks) {
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

}  // namespace

StatusOr<std::vector<DeviceTraits>> FindDevices() {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess)
    return Unavailable("no CUDA device: {}", cudaGetErrorString(error));
  if (count == 0) return Unavailable("no CUDA device: the driver knows of none");
  std::vector<DeviceTraits> devices;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties;
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, i); error != cudaSuccess)
      return Failed("CUDA device {}: {}", i, cudaGetErrorString(error));
    int kilohertz = 0;
    cudaDeviceGetAttribute(&kilohertz, cudaDevAttrMemoryClockRate, i);
    // Two transfers a cycle.
    devices.push_back({properties.name, properties.totalGlobalMem, 2e3 * kilohertz * properties.memoryBusWidth / 8});
  }
  return devices;
}

StatusOr<std::unique_ptr<Device>> NewCudaDevice(int number, Type type) {
  ORRERY_ASSIGN_OR_RETURN(const std::vector<DeviceTraits> devices, FindDevices());
  if (number < 0 || number >= static_cast<int>(devices.size()))
    return InvalidInput("CUDA device {}; there are {}, counted from 0", number, devices.size());
  int major = 0, minor = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, number);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, number);
  if (major < 8) {
    return Unavailable("CUDA device {} ({}) has the compute capability {}.{}; 8.0 or later is needed", number,
                       devices[number].name, major, minor);
  }
  // Results may differ between devices and between versions of the library.
  auto runtime = std::make_unique<CudaRuntime>(
      number, fmt::format("cuda {} sm_{}{} cublasLt {}", devices[number].name, major, minor, cublasLtGetVersion()));
  ORRERY_RETURN_IF_ERROR(runtime->status());
  ORRERY_ASSIGN_OR_RETURN(std::unique_ptr<Products> products, NewCublasProducts(number, type, runtime->stream()));
  return std::unique_ptr<Device>(
      std::make_unique<DeviceOn<CudaRuntime>>(type, std::move(runtime), std::move(products)));
}

}  // namespace orrery::kernels::cuda
