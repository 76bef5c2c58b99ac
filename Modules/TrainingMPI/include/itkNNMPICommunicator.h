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
#ifndef itkNNMPICommunicator_h
#define itkNNMPICommunicator_h

#include "UniverSegTrainingMPIExport.h"
#include "itkNNCommunicator.h"

#include <memory>

namespace itk
{
namespace nn
{
/** \class MPICommunicator
 * \brief The processes that an MPI launcher started together.
 *
 * One object in a process: MPI is initialised with it and finalised when it goes.
 * When an exception takes it away MPI is left as it is, so that the launcher sees
 * the process end and ends the others.
 * \ingroup UniverSegTraining
 */
class UniverSegTrainingMPI_EXPORT MPICommunicator : public Communicator
{
public:
  /** Throws Error when MPI cannot be initialised. */
  MPICommunicator();
  ~MPICommunicator() override;

  int GetRank() const override;
  int GetSize() const override;
  int GetLocalRank() const override;

  /** Summed in process 0, in the order that MPI likes, and sent to all: the sums are
   * the same everywhere. Throws Error when MPI reports one. */
  void Sum(std::vector<float> & values) const override;

  /** Whether a launcher such as mpirun started this process with others. */
  static bool IsLaunched();

private:
  struct Implementation;
  std::unique_ptr<Implementation> m_Implementation;
};
} // namespace nn
} // namespace itk

#endif
