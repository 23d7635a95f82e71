// SPDX-License-Identifier: Apache-2.0
#include <cublasLt.h>
#include <cuda_runtime.h>

#include <utility>

#include "kernels/cuda/cublas_products.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/device_on.h"
#include "kernels/cuda/device_runtime.h"

namespace orrery::kernels::cuda {

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

StatusOr<std::unique_ptr<CudaRuntime>> CudaRuntime::Open(int number) {
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
  return runtime;
}

StatusOr<std::unique_ptr<Device>> NewCudaDevice(int number, Type type) {
  ORRERY_ASSIGN_OR_RETURN(std::unique_ptr<CudaRuntime> runtime, CudaRuntime::Open(number));
  ORRERY_ASSIGN_OR_RETURN(std::unique_ptr<Products> products, NewCublasProducts(number, type, runtime->stream()));
  return std::unique_ptr<Device>(
      std::make_unique<DeviceOn<CudaRuntime>>(type, std::move(runtime), std::move(products)));
}

}  // namespace orrery::kernels::cuda
