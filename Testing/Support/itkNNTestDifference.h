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
#ifndef itkNNTestDifference_h
#define itkNNTestDifference_h

#include "itkNNTensor.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
/** The largest magnitude of the differences of as many numbers; infinite where one is none. */
inline double
MaximumDifference(const std::vector<double> & a, const std::vector<double> & b)
{
  EXPECT_EQ(a.size(), b.size());
  double maximum = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
  {
    const double difference = std::abs(a[i] - b[i]);
    if (std::isnan(difference))
    {
      return std::numeric_limits<double>::infinity();
    }
    maximum = difference <= maximum ? maximum : difference;
  }
  return maximum;
}

/** Of two tensors of one shape. */
inline double
MaximumDifference(const Tensor & a, const Tensor & b)
{
  EXPECT_EQ(a.GetShape(), b.GetShape());
  return MaximumDifference(a.ToVector<double>(), b.ToVector<double>());
}
} // namespace test
} // namespace nn
} // namespace itk

#endif
