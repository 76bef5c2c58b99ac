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
#include "itkNNRandomRange.h"

#include "itkNNError.h"

#include <cmath>

namespace itk
{
namespace nn
{
void
RequireRange(const std::string & option, const RandomRange & range, double least, double most)
{
  itkNNRequireMacro(std::isfinite(range.low) && std::isfinite(range.high) && least <= range.low &&
                      range.low <= range.high && range.high <= most,
                    "The range of " << option << " is [" << range.low << ", " << range.high
                                    << "]; it should be an ascending one within [" << least << ", " << most << "]");
}

void
RequireValue(const std::string & option, double value, double least, double most)
{
  itkNNRequireMacro(value >= least && value <= most,
                    "The value of " << option << " is " << value << "; it should be within [" << least << ", " << most
                                    << "]");
}
} // namespace nn
} // namespace itk
