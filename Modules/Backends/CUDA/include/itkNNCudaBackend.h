/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkNNCudaBackend_h
#define itkNNCudaBackend_h

#include "UniverSegCUDAExport.h"
#include "itkNNBackend.h"

namespace itk
{
namespace nn
{
/** \class CudaBackend
 * \brief The backend of NVIDIA's GPUs: devices "cuda", "cuda:1", ...
 *
 * This class is always there. What talks to a GPU is the device library, which is
 * compiled by nvcc (UNIVERSEG_CUDA) and opened when a device of CUDA is first asked for:
 * the file named by the environment variable UNIVERSEG_CUDA_LIBRARY, else one beside the
 * program or library that has this class, or in ../lib from there, else one that the
 * system's loader finds. Without it, without a driver or without a device
 * GetUnavailableReason() says in one line what is missing.
 *
 * All operators, in float32, float64, bfloat16 and float16; sums of 16-bit elements are
 * made in float32. Values are plain or channels last.
 * \ingroup UniverSegCUDA
 */
class UniverSegCUDA_EXPORT CudaBackend : public Backend
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(CudaBackend);

  using Self = CudaBackend;
  using Superclass = Backend;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkFactorylessNewMacro(Self);
  itkTypeMacro(CudaBackend, Backend);

  std::string GetBackendName() const override;
  Device::Type GetDeviceType() const override;
  std::string GetUnavailableReason(const Device & device, DataType precision) const override;
  int GetPriority() const override;
  std::vector<const Implementation *> GetImplementations(const Operator & op) const override;
  std::unique_ptr<Kernel> MakeReorder(const ValueType & type,
                                      const Layout & from,
                                      const Layout & to,
                                      unsigned int threads) const override;
  std::shared_ptr<DeviceMemory> GetDeviceMemory(const Device & device) const override;

protected:
  CudaBackend();
  ~CudaBackend() override;
};
} // namespace nn
} // namespace itk

#endif
