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
#ifndef itkNNLoopKernel_h
#define itkNNLoopKernel_h

#include "itkNNLoopSchedule.h"
#include "itkNNPlanData.h"

namespace itk
{
namespace nn
{
/** \class LoopKernel
 * \brief A loop region: its body for one group of elements after the other,
 * each thread with groups of its own.
 *
 * Inputs: the body's. Outputs: the stacked values, then the reductions.
 */
class LoopKernel : public Kernel
{
public:
  /** How a body's input or output lies in the whole value. */
  struct Slot
  {
    std::size_t bytes = 0; ///< of one group
    bool isSliced = false;
  };

  /** A sum or mean over the axis. */
  struct Sum
  {
    ValueType type;        ///< of the result
    std::size_t bytes = 0; ///< in its layout
    double scale = 1;
  };

  LoopKernel(std::unique_ptr<PlanData> body,
             std::vector<Slot> inputs,
             std::vector<Slot> stacked,
             std::vector<Sum> sums,
             std::int64_t groups,
             unsigned int threads,
             Backend::Pointer backend);
  ~LoopKernel() override;

  std::size_t GetScratchBytes() const override;
  void Execute(const KernelArguments & arguments) const override;

  const PlanData & GetBody() const
  {
    return *m_Body;
  }
  std::int64_t GetNumberOfGroups() const
  {
    return m_Groups;
  }

private:
  class Worker;

  std::size_t GetWorkerBytes() const;
  static void * GetOutput(const KernelArguments & arguments, std::size_t i);

  std::unique_ptr<PlanData> m_Body;
  std::vector<Slot> m_Inputs;
  std::vector<Slot> m_Stacked;
  std::vector<Sum> m_Sums;
  std::int64_t m_Groups;
  unsigned int m_Threads;
  Backend::Pointer m_Backend;
};
} // namespace nn
} // namespace itk

#endif
