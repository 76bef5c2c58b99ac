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
#ifndef itkNNReferenceBackend_h
#define itkNNReferenceBackend_h

#include "UniverSegReferenceExport.h"
#include "itkNNBackend.h"

namespace itk
{
namespace nn
{
/** \class ReferenceBackend
 * \brief Every operator in float32 and float64, in plain row-major memory,
 * written for clarity; products by Eigen.
 *
 * The oracle of the tests and the last implementation that a plan tries.
 * Means and sums of float32 are accumulated in float64.
 * \ingroup UniverSegReference
 */
class UniverSegReference_EXPORT ReferenceBackend : public Backend
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(ReferenceBackend);

  using Self = ReferenceBackend;
  using Superclass = Backend;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkFactorylessNewMacro(Self);
  itkTypeMacro(ReferenceBackend, Backend);

  std::string GetBackendName() const override;
  std::string GetUnavailableReason(const Device & device, DataType precision) const override;
  int GetPriority() const override;
  std::vector<const Implementation *> GetImplementations(const Operator & op) const override;
  std::unique_ptr<Kernel> MakeReorder(const ValueType & type,
                                      const Layout & from,
                                      const Layout & to,
                                      unsigned int threads) const override;

protected:
  ReferenceBackend();
  ~ReferenceBackend() override;
};
} // namespace nn
} // namespace itk

#endif
