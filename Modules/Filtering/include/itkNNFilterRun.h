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
#ifndef itkNNFilterRun_h
#define itkNNFilterRun_h

#include "UniverSegFilteringExport.h"
#include "itkNNExecutionPlan.h"
#include "itkProcessObject.h"

#include <functional>
#include <string>

namespace itk
{
namespace nn
{
/** What a filter's GenerateData() does, with the engine. When it throws, the outputs' data is
 * released; Cancelled becomes ProcessAborted.
 * \param result in the description of ProcessAborted, as "segmentation".
 * \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT void RunFilter(ProcessObject & filter,
                                         const std::string & result,
                                         const std::function<void()> & body);

/** Threads of the plans of a filter: its work units, but not more than it has threads, of which
 * ITK by default makes several units each, for balance.
 * \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT unsigned int GetPlanThreads(const ProcessObject & filter);

/** A filter's progress and abort flag as a plan's. \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT RunHooks MakeRunHooks(ProcessObject & filter);
} // namespace nn
} // namespace itk

#endif
