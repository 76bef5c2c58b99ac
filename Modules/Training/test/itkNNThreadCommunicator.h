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
#ifndef itkNNThreadCommunicator_h
#define itkNNThreadCommunicator_h

#include "itkNNCommunicator.h"
#include "itkNNError.h"
#include "itkNNThreadGroup.h"

#include <memory>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
class ThreadCommunicator : public Communicator
{
public:
  ThreadCommunicator(std::shared_ptr<ThreadGroup> group, int rank)
    : m_Group(std::move(group))
    , m_Rank(rank)
  {}
  int GetRank() const override
  {
    return m_Rank;
  }
  int GetSize() const override
  {
    return m_Group->GetSize();
  }
  void Sum(std::vector<float> & values) const override
  {
    constexpr double seconds = 600;
    itkNNRequireMacro(m_Group->Sum(values.data(), values.size(), seconds), "A thread did not take part in a sum");
  }

private:
  std::shared_ptr<ThreadGroup> m_Group;
  int m_Rank;
};
} // namespace test
} // namespace nn
} // namespace itk

#endif
