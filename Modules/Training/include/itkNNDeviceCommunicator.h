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
#ifndef itkNNDeviceCommunicator_h
#define itkNNDeviceCommunicator_h

#include "UniverSegTrainingExport.h"
#include "itkNNCommunicator.h"
#include "itkNNDeviceMemory.h"

#include <memory>

namespace itk
{
namespace nn
{
/** \class DeviceCommunicator
 * \brief Sums tensors of a device on the devices of all processes; what is on the host is
 * left to another communicator.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT DeviceCommunicator : public Communicator
{
public:
  /** All processes make theirs at the same time, each with a device of its own. Throws Error
   * in all of them, with the reason in those that have one, when a device cannot take part. */
  DeviceCommunicator(std::shared_ptr<const Communicator> host, std::shared_ptr<DeviceMemory> device);
  ~DeviceCommunicator() override;

  int GetRank() const override;
  int GetSize() const override;
  int GetLocalRank() const override;
  void Sum(std::vector<float> & values) const override;
  void SumTensor(Tensor & values) const override;

private:
  /** Throws Error in all processes when one has a reason. */
  void Agree(const std::string & reason) const;

  std::shared_ptr<const Communicator> m_Host;
  std::shared_ptr<DeviceMemory> m_Device;
  std::shared_ptr<DeviceGroup> m_Group;
};
} // namespace nn
} // namespace itk

#endif
