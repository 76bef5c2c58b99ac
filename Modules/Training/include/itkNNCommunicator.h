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
#ifndef itkNNCommunicator_h
#define itkNNCommunicator_h

#include "UniverSegTrainingExport.h"
#include "itkNNTensor.h"

#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** \class Communicator
 * \brief The processes that train one model together; this class is one process
 * by itself.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT Communicator
{
public:
  Communicator() = default;
  virtual ~Communicator();
  Communicator(const Communicator &) = delete;
  Communicator & operator=(const Communicator &) = delete;

  /** Number of this process, from 0 on. Process 0 writes the files. */
  virtual int GetRank() const
  {
    return 0;
  }
  virtual int GetSize() const
  {
    return 1;
  }
  /** Number of this process among those of its machine, from 0 on. */
  virtual int GetLocalRank() const
  {
    return 0;
  }

  /** Replace the values by their sums over all processes, which have to call this
   * with equally many. The sums are the same in all of them. Throws Error when a
   * process is lost. */
  virtual void Sum(std::vector<float> & values) const;

  /** The same for a contiguous tensor of float32, which may be on a device. Here by way of
   * the host. */
  virtual void SumTensor(Tensor & values) const;
};
} // namespace nn
} // namespace itk

#endif
