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
#ifndef itkNNNaiveOperators_h
#define itkNNNaiveOperators_h

#include "itkNNOperatorCases.h"

namespace itk
{
namespace nn
{
namespace test
{
/** Calls f(index) for every index of a shape, in row-major order. */
template <typename TFunction>
void
ForEach(const Shape & shape, TFunction && f)
{
  const std::int64_t count = NumberOfElements(shape);
  Shape index(shape.size(), 0);
  for (std::int64_t i = 0; i < count; ++i)
  {
    f(index);
    for (std::size_t d = shape.size(); d-- > 0;)
    {
      if (++index[d] < shape[d])
      {
        break;
      }
      index[d] = 0;
    }
  }
}

/** A row's operator in straightforward loops, independent of the engine's
 * kernels, in float64. */
Tensor RunNaive(const TableRow & row, const std::vector<Tensor> & inputs);
} // namespace test
} // namespace nn
} // namespace itk

#endif
