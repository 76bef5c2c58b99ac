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
#ifndef itkNNParallel_h
#define itkNNParallel_h

#include "UniverSegCoreExport.h"

#include <cstdint>
#include <functional>

namespace itk
{
namespace nn
{
/** Number of threads that "0" stands for: ITK's global default. */
UniverSegCore_EXPORT unsigned int GetDefaultNumberOfThreads();

/** Call f(begin, end) for consecutive parts of [0, count) on ITK's threads; in
 * this thread when one is enough. The first exception of a part is rethrown. */
UniverSegCore_EXPORT void ParallelFor(std::int64_t count,
                                      unsigned int threads,
                                      const std::function<void(std::int64_t, std::int64_t)> & f);
} // namespace nn
} // namespace itk

#endif
