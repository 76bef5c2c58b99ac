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
#ifndef itkNNTestTargets_h
#define itkNNTestTargets_h

#include "itkNNBackend.h"
#include "itkNNExecutionPlan.h"
#include "itkNNRegisterBackends.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
/** A backend, and a precision and a device that it serves. */
struct Target
{
  std::string backend;
  DataType precision = DataType::Float32;
  Device device = {};
};

/** Where no device library of CUDA is named its tests run in emulation. The first call
 * should come before anything else asks for a device of CUDA. */
inline void
UseCudaEmulation()
{
#ifdef UNIVERSEG_TEST_CUDA_LIBRARY
  setenv("UNIVERSEG_CUDA_LIBRARY", UNIVERSEG_TEST_CUDA_LIBRARY, 0);
#endif
}

/** Whether CUDA's device is the host that does as if. */
inline bool
IsCudaEmulated()
{
  const char * library = std::getenv("UNIVERSEG_CUDA_LIBRARY");
  return library != nullptr && std::string(library).find("emulation") != std::string::npos;
}

/** All that float32 and float64 can be computed with here, and 16-bit types if wanted. */
inline std::vector<Target>
GetTargets(bool withHalves = false)
{
  UseCudaEmulation();
  RegisterBackends();
  std::vector<Target> targets;
  for (const auto & backend : Backend::GetRegistered())
  {
    for (const auto & device : { Device{}, Device::FromString("cuda") })
    {
      for (const auto precision : { DataType::Float32, DataType::Float64, DataType::Float16, DataType::BFloat16 })
      {
        const bool isWanted = withHalves || precision == DataType::Float32 || precision == DataType::Float64;
        if (isWanted && backend->GetUnavailableReason(device, precision).empty())
        {
          targets.push_back({ backend->GetBackendName(), precision, device });
        }
      }
    }
  }
  return targets;
}

/** Those of one precision; without an emulated device where that takes too long. */
inline std::vector<Target>
GetTargets(DataType precision, bool isLarge = false)
{
  std::vector<Target> targets;
  for (const auto & target : GetTargets(true))
  {
    const bool isEmulated = target.device.type == Device::Type::Cuda && IsCudaEmulated();
    if (target.precision == precision && !(isLarge && isEmulated))
    {
      targets.push_back(target);
    }
  }
  return targets;
}

inline bool
IsRegistered(const std::string & name)
{
  const auto targets = GetTargets();
  return std::any_of(targets.begin(), targets.end(), [&](const Target & t) { return t.backend == name; });
}

inline PlanOptions
OptionsOf(const Target & target, unsigned int threads = 2, bool optimize = true)
{
  PlanOptions options;
  options.backend = target.backend;
  options.precision = target.precision;
  options.device = target.device;
  options.threads = threads;
  options.optimize = optimize;
  return options;
}
} // namespace test
} // namespace nn
} // namespace itk

#endif
