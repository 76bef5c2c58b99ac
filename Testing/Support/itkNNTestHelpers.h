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
#ifndef itkNNTestHelpers_h
#define itkNNTestHelpers_h

#include "itkNNError.h"
#include "itkNNTensor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
/** Description of the Error, or other ExceptionObject, that a call throws; empty
 * when it throws none. */
template <typename TException = Error, typename TFunction>
std::string
ErrorOf(TFunction && f)
{
  try
  {
    f();
  }
  catch (const TException & error)
  {
    return error.GetDescription();
  }
  return "";
}

/** Seeded values in [low, high), the same with every standard library. */
inline Tensor
RandomTensor(const Shape & shape, std::uint32_t seed, double low = -1, double high = 1)
{
  Tensor tensor(shape, DataType::Float64);
  std::mt19937 engine(seed);
  double * data = tensor.GetData<double>();
  for (std::int64_t i = 0; i < tensor.GetNumberOfElements(); ++i)
  {
    data[i] = low + (high - low) * (static_cast<double>(engine()) / 4294967296.0);
  }
  return tensor;
}
} // namespace test
} // namespace nn
} // namespace itk

/** A statement throws an itk::nn::Error whose description has some text. */
#define EXPECT_NN_ERROR(statement, text)                                                                               \
  do                                                                                                                   \
  {                                                                                                                    \
    const std::string nnDescription = ::itk::nn::test::ErrorOf([&] { statement; });                                    \
    EXPECT_NE(nnDescription.find(text), std::string::npos)                                                             \
      << #statement << "\nshould throw an Error with: " << (text)                                                      \
      << "\nand threw: " << (nnDescription.empty() ? "nothing" : nnDescription);                                       \
  }                                                                                                                    \
  while (false)

#endif
