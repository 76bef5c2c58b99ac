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
#ifndef itkNNSampleTransforms_h
#define itkNNSampleTransforms_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNSampleTransform.h"

#include <cstddef>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class SampleTransforms
 * \brief Transforms one after the other, and their record in a model card.
 *
 * As SampleTransform: any number of threads may use an object.
 * \ingroup UniverSegPreprocessing
 */
class UniverSegPreprocessing_EXPORT SampleTransforms
{
public:
  /** What each transform did, in their order. */
  using Records = std::vector<TransformRecord>;

  /** None: samples stay as they are. */
  SampleTransforms() = default;

  explicit SampleTransforms(std::vector<SampleTransform::ConstPointer> transforms);

  std::size_t GetNumberOfTransforms() const
  {
    return m_Transforms.size();
  }

  /** Throws Error when there are not so many. */
  const SampleTransform & Get(std::size_t index) const;

  /** Change a sample by all transforms. Throws Error when one does not fit. */
  Records Apply(Sample & sample, TransformRandom & random) const;

  /** Undo all on a prediction, the last first. Throws Error when the records are not those of
   * these transforms.
   * \param prediction as of SampleTransform::Invert(). */
  Tensor Invert(const Tensor & prediction, const Records & records) const;

  /** Whether any of them interpolates in Invert(). */
  bool InterpolatesInverse() const;

  /** JSON text: a list of {"name": ..., "options": {...}} with all options. */
  std::string ToJson() const;

  /** Inverse of ToJson(); options may be left out. Throws Error when the text is not such a
   * list and as SampleTransform::Make(). */
  static SampleTransforms FromJson(const std::string & text);

private:
  std::vector<SampleTransform::ConstPointer> m_Transforms;
};
} // namespace nn
} // namespace itk

#endif
