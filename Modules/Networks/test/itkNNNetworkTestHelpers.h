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
#ifndef itkNNNetworkTestHelpers_h
#define itkNNNetworkTestHelpers_h

#include "itkNNError.h"
#include "itkNNNetwork.h"
#include "itkNNTestDifference.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
/** Weights of small random numbers. */
inline StateDict
MakeWeights(const Network & network)
{
  StateDict weights;
  std::uint32_t state = 1;
  for (const auto & parameter : network.GetParameters())
  {
    if (parameter.role != Network::Role::Buffer)
    {
      Tensor tensor(parameter.shape);
      for (std::int64_t i = 0; i < tensor.GetNumberOfElements(); ++i)
      {
        state = state * 1664525U + 1013904223U;
        tensor.GetData<float>()[i] = 0.1F + static_cast<float>(state >> 8U) * 0x1p-26F;
      }
      weights.Add(parameter.name, tensor);
    }
  }
  return weights;
}

/** Names, order and shapes of the state dict. */
inline void
ExpectParameters(const Network & network, const std::vector<std::pair<std::string, Shape>> & expected)
{
  const auto parameters = network.GetParameters();
  ASSERT_EQ(parameters.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
  {
    EXPECT_EQ(parameters[i].name, expected[i].first);
    EXPECT_EQ(parameters[i].shape, expected[i].second) << parameters[i].name;
  }
}

/** The message of the Error that a function throws. */
template <typename TFunction>
std::string
ErrorOf(const TFunction & function)
{
  try
  {
    function();
  }
  catch (const Error & error)
  {
    return error.what();
  }
  return "none";
}
} // namespace test
} // namespace nn
} // namespace itk

#endif
