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
#ifndef itkNNSinglePrecision_h
#define itkNNSinglePrecision_h

#include "UniverSegNetworksExport.h"
#include "itkNNExecutionPlan.h"

namespace itk
{
namespace nn
{
/** What a plan computed in 16 bits, in float32 where it is; the others as they are.
 * \ingroup UniverSegNetworks */
UniverSegNetworks_EXPORT TensorMap InSinglePrecision(TensorMap values);
} // namespace nn
} // namespace itk

#endif
