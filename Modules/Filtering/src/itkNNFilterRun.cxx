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
#include "itkNNFilterRun.h"

#include "itkMultiThreaderBase.h"

#include <algorithm>

namespace itk
{
namespace nn
{
void
RunFilter(ProcessObject & filter, const std::string & result, const std::function<void()> & body)
{
  const auto release = [&filter]
  {
    for (const auto & output : filter.GetOutputs())
    {
      if (output.IsNotNull())
      {
        output->ReleaseData();
      }
    }
  };
  try
  {
    body();
  }
  catch (const Cancelled &)
  {
    release();
    ProcessAborted aborted(__FILE__, __LINE__);
    aborted.SetLocation(ITK_LOCATION);
    aborted.SetDescription("The " + result + " was aborted; its outputs have been released");
    throw aborted;
  }
  catch (...)
  {
    release();
    throw;
  }
}

unsigned int
GetPlanThreads(const ProcessObject & filter)
{
  return std::min<unsigned int>(filter.GetNumberOfWorkUnits(), filter.GetMultiThreader()->GetMaximumNumberOfThreads());
}

RunHooks
MakeRunHooks(ProcessObject & filter)
{
  RunHooks hooks;
  hooks.isCancelled = [&filter] { return filter.GetAbortGenerateData(); };
  hooks.progress = [&filter](double part) { filter.UpdateProgress(static_cast<float>(part)); };
  return hooks;
}
} // namespace nn
} // namespace itk
