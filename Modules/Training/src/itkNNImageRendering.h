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
#ifndef itkNNImageRendering_h
#define itkNNImageRendering_h

#include "itkNNPlane.h"
#include "itkNNSyntheticTasks.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class LabelMap
 * \brief Labels 0, 1, ... of an image's pixels, row-major. Private to the module.
 */
struct LabelMap
{
  LabelMap() = default;
  LabelMap(std::int64_t rows, std::int64_t columns)
    : height(rows)
    , width(columns)
    , labels(static_cast<std::size_t>(rows * columns), 0)
  {}

  std::int32_t * Row(std::int64_t y)
  {
    return labels.data() + y * width;
  }
  const std::int32_t * Row(std::int64_t y) const
  {
    return labels.data() + y * width;
  }

  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::int32_t> labels;
};

/** What of a scene matters for a label's intensity. */
struct LabelTraits
{
  std::int32_t likeLabel = -1; ///< an earlier label whose intensity is varied a little; -1 for none
  bool mayResemble = false;    ///< whether it may look like the foreground
};

/** Of [low, high), small values more often. */
double DrawSkewed(RandomStream & random, double low, double high);

/** Pixels of an image as long as it is wide for one of a 256 x 256 image. */
double LengthScale(std::int64_t height, std::int64_t width);

/** \class Imaging
 * \brief Intensities of a task's labels, and images of its label maps.
 */
class Imaging
{
public:
  /** \param mostBlur greatest sigma of the blur, in pixels */
  Imaging(RandomStream & random,
          const ImagingOptions & options,
          const std::vector<LabelTraits> & labels,
          const std::vector<bool> & foreground,
          double lengthScale,
          double mostBlur);

  /** An image of [0, 1]. */
  Plane Render(RandomStream & random, const LabelMap & map) const;

private:
  struct Label
  {
    double mean = 0;
    double white = 0;            ///< standard deviation of independent pixels
    double fine = 0;             ///< of the fine texture
    double coarse = 0;           ///< of the coarse texture
    double subjectDeviation = 0; ///< of the mean between the images of a task
  };

  Plane PaintLabels(RandomStream & random, const LabelMap & map) const;
  void ApplyBias(RandomStream & random, Plane & image) const;
  void ApplyTone(RandomStream & random, Plane & image) const;
  void ApplyNoise(RandomStream & random, Plane & image) const;

  std::vector<Label> m_Labels;
  double m_FineSpacingY;
  double m_FineSpacingX;
  double m_CoarseSpacing;
  double m_BiasSpacing;
  double m_BiasDeviation;
  double m_Blur;
  double m_Noise;
  bool m_Speckle;
  double m_ToneDeviation;
  double m_Gamma;
  bool m_Invert;
  double m_Halo;
  double m_HaloSigma;
};

/** \class Deformation
 * \brief What differs between the subjects of a task, in place. */
class Deformation
{
public:
  Deformation(RandomStream & random, const DeformationOptions & options, double lengthScale);

  /** \brief Where each pixel of a subject lies in the task's scene, in its pixels. */
  struct Places
  {
    Plane y;
    Plane x;
  };

  Places Draw(RandomStream & random, std::int64_t height, std::int64_t width) const;

private:
  std::vector<double> m_Spacings;
  std::vector<double> m_Deviations;
  double m_Rotation;
  bool m_AnyRotation;
  double m_Scale;
  double m_Translation;
};

/** Adds a smooth field of this standard deviation, shared by the spacings as they
 * are long, but none so strong that it folds. Lengths are in pixels. */
void AddDisplacement(RandomStream & random,
                     const std::vector<double> & spacings,
                     const std::vector<double> & deviations,
                     Deformation::Places & places);

/** Standard deviations of the fields of AddDisplacement(). */
std::vector<double> ShareDisplacement(const std::vector<double> & spacings, double deviation);

void CheckOptions(const std::string & owner, const ImagingOptions & options);
void CheckOptions(const std::string & owner, const DeformationOptions & options);

/** The spacings are named in the message. */
void CheckSpacings(const std::string & option, const std::vector<double> & spacings);

/** Throws Error unless a request is one for tasks of these sources. */
void CheckRequest(const std::string & source, const TaskRequest & request);

/** Share of the pixels whose label is of the foreground. */
double ForegroundArea(const LabelMap & map, const std::vector<bool> & foreground);

/** Image and label of a subject. */
TrainingExample MakeExample(RandomStream & random,
                            const Imaging & imaging,
                            const LabelMap & map,
                            const std::vector<bool> & foreground);
} // namespace nn
} // namespace itk

#endif
