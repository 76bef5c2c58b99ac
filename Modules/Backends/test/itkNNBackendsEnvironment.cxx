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
#include "itkNNTestTargets.h"

#include <gtest/gtest.h>

namespace
{
/** CTest runs each test in a process of its own: none may rely on another having registered the backends. */
class BackendsEnvironment : public ::testing::Environment
{
public:
  void SetUp() override
  {
    itk::nn::test::UseCudaEmulation();
    itk::nn::RegisterBackends();
  }
};

const ::testing::Environment * const environment = ::testing::AddGlobalTestEnvironment(new BackendsEnvironment);
} // namespace
