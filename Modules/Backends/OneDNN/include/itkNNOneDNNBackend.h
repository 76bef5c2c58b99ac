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
#ifndef itkNNOneDNNBackend_h
#define itkNNOneDNNBackend_h

#include "UniverSegOneDNNExport.h"
#include "itkNNBackend.h"

namespace itk
{
namespace nn
{
/** \class OneDNNBackend
 * \brief The CPU path in float32: oneDNN's primitives, and kernels of our own
 * where it has none, in blocked layouts kept between operators.
 *
 * Works with any oneDNN from 3.2 whose CPU run-time is OpenMP, the thread
 * pool or sequential; the number of threads is the plan's.
 * \ingroup UniverSegOneDNN
 */
class UniverSegOneDNN_EXPORT OneDNNBackend : public Backend
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(OneDNNBackend);

  using Self = OneDNNBackend;
  using Superclass = Backend;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkFactorylessNewMacro(Self);
  itkTypeMacro(OneDNNBackend, Backend);

  std::string GetBackendName() const override;
  std::string GetUnavailableReason(const Device & device, DataType precision) const override;
  int GetPriority() const override;
  std::vector<const Implementation *> GetImplementations(const Operator & op) const override;
  std::unique_ptr<Kernel> MakeReorder(const ValueType & type,
                                      const Layout & from,
                                      const Layout & to,
                                      unsigned int threads) const override;
  void RunParallel(std::int64_t count,
                   unsigned int threads,
                   const std::function<void(std::int64_t, std::int64_t)> & f) const override;

protected:
  OneDNNBackend();
  ~OneDNNBackend() override;
};
} // namespace nn
} // namespace itk

#endif
