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
#ifndef itkNNTransformKinds_h
#define itkNNTransformKinds_h

#include "itkNNOptionReader.h"
#include "itkNNSampleTransform.h"

#include <memory>
#include <vector>

namespace itk
{
namespace nn
{
/** A transform that can be made. */
struct TransformKind
{
  enum class Inverse
  {
    Normally, ///< undone unless the option says otherwise
    OnDemand,
    Impossible
  };

  const char * name;
  Inverse inverse;
  std::unique_ptr<SampleTransform> (*make)(OptionReader & options);
};

template <typename T>
std::unique_ptr<SampleTransform>
MakeTransform(OptionReader & options)
{
  return std::make_unique<T>(options);
}

std::vector<TransformKind> GetIntensityTransforms();
std::vector<TransformKind> GetGeometryTransforms();
std::vector<TransformKind> GetLabelTransforms();
std::vector<TransformKind> GetVolumeFusionTransforms();
std::vector<TransformKind> GetU2NetTransforms();
std::vector<TransformKind> GetHermesTransforms();
} // namespace nn
} // namespace itk

#endif
