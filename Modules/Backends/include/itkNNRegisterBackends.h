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
#ifndef itkNNRegisterBackends_h
#define itkNNRegisterBackends_h

#include "UniverSegBackendsExport.h"

namespace itk
{
namespace nn
{
/** Register the object factories of the backends that this build links: the
 * reference backend, CUDA, which opens its device library when it is asked for, and
 * oneDNN when it was built. May be called any number of
 * times, from any thread.
 * \ingroup UniverSegBackends */
UniverSegBackends_EXPORT void RegisterBackends();
} // namespace nn
} // namespace itk

#endif
