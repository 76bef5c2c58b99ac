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
#ifndef itkNNRandomRange_h
#define itkNNRandomRange_h

#include "UniverSegTrainingExport.h"
#include "itkNNRandomStream.h"

#include <string>

namespace itk
{
namespace nn
{
/** What a number is drawn from, evenly. \ingroup UniverSegTraining */
struct RandomRange
{
  double low = 0;
  double high = 0;

  double Draw(RandomStream & random) const
  {
    return random.Uniform(low, high);
  }
};

/** Throws Error, which names the option, unless least <= low <= high <= most and
 * both are finite. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT void RequireRange(const std::string & option,
                                           const RandomRange & range,
                                           double least,
                                           double most);

/** Throws Error, which names the option, unless least <= value <= most.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT void RequireValue(const std::string & option, double value, double least, double most);
} // namespace nn
} // namespace itk

#endif
