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
#ifndef universegSegmenter_h
#define universegSegmenter_h

#include "universegImages.h"

#include "itkNNExecutionPlan.h"
#include "itkSegmentationModel.h"
#include "itkUniverSegSupportSet.h"

#include <functional>
#include <memory>
#include <vector>

namespace universeg
{
struct SegmentationSettings
{
  itk::nn::PlanOptions plan;
  itk::IntensityNormalization normalization;
  double threshold = 0.5;
  unsigned int sliceAxis = 2;
  std::size_t nearestSupports = 0;
  std::size_t ensembleSize = 1;
  std::size_t ensembleSupportSize = 0;
  std::uint64_t seed = 0;
  std::size_t gridSize = 0; ///< 0: the model's
  bool includeBackground = true;
  bool probabilities = false;
};

struct Segmentation
{
  struct Probability
  {
    std::int32_t label;
    Volume::Pointer image;
  };

  LabelVolume::Pointer labels;
  std::vector<Probability> probabilities; ///< when asked for
};

/** UniverSegImageFilter for the command's one type of image. */
class Segmenter
{
public:
  Segmenter(itk::SegmentationModel * model, itk::UniverSegSupportSet * supports, SegmentationSettings settings);

  Segmentation Segment(const Volume & target, const std::function<void(double)> & progress = {});

private:
  itk::SegmentationModel::Pointer m_Model;
  itk::UniverSegSupportSet::Pointer m_Supports;
  SegmentationSettings m_Settings;
};

/** Labels of the probability maps that a segmentation with these supports has. */
std::vector<std::int32_t> FindProbabilityLabels(const itk::UniverSegSupportSet & supports, bool includeBackground);

/** Add every slice of a pair, or of a volume those with a label. */
void AddSupport(itk::UniverSegSupportSet & supports,
                const Volume & image,
                const LabelVolume & labels,
                unsigned int sliceAxis);
} // namespace universeg

#endif
