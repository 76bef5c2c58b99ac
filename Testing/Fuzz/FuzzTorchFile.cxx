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
#include "itkNNModel.h"
#include "itkNNTorchFile.h"

namespace
{
volatile double sink;

/** Touch every element, so that the address sanitizer sees what views reach. */
void
Touch(const itk::nn::StateDict & tensors)
{
  double sum = 0;
  for (const auto & entry : tensors)
  {
    for (const double value : entry.second.ToVector<double>())
    {
      sum += value;
    }
  }
  sink = sum;
}
} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const std::uint8_t * data, std::size_t size)
{
  using namespace itk::nn;
  TorchFileOptions options;
  options.maximumObjects = 20000;
  options.maximumObjectBytes = 1 << 23;
  options.maximumInflatedBytes = 1 << 20;
  options.maximumExpandedBytes = 1 << 16;
  TorchObject root;
  try
  {
    options.convertToFloat32 = size % 2 == 0;
    root = ReadTorchFileFromMemory(data, size, options).root;
  }
  catch (const Error &)
  {
    return 0;
  }
  try
  {
    Touch(root.Flatten());
  }
  catch (const Error &)
  {}
  try
  {
    Touch(ExtractStateDict(root));
  }
  catch (const Error &)
  {}
  return 0;
}
