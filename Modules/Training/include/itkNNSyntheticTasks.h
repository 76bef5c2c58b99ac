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
#ifndef itkNNSyntheticTasks_h
#define itkNNSyntheticTasks_h

#include "UniverSegTrainingExport.h"
#include "itkNNRandomRange.h"
#include "itkNNTensor.h"
#include "itkNNTrainingTask.h"

#include <memory>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class ImagingOptions
 * \brief How images are made of label maps.
 *
 * Lengths are in pixels of an image of 256 x 256 and are scaled to other extents.
 * Intensities are those before the last rescaling to [0, 1]. The defaults are the
 * ranges of UniverSeg's synthetic tasks (Butoi et al., ICCV 2023) where these are
 * known.
 * \ingroup UniverSegTraining
 */
struct ImagingOptions
{
  /** For objects, vessels and sections: less bias, blur and noise, and a foreground
   * that differs from what it lies in. */
  UniverSegTraining_EXPORT static ImagingOptions Objects();

  RandomRange mean{ 0, 1 };   ///< of a label, drawn once a task
  double minimumContrast = 0; ///< between the means of the foreground and of what has to differ from it

  /** Standard deviation within a label: each task draws the ends of a range and each
   * label a value of it, small ones more often. */
  RandomRange leastDeviation{ 0.01, 0.1 };
  RandomRange greatestDeviation{ 0.2, 1 };
  RandomRange textureSpacing{ 3, 24 }; ///< between the knots of smooth texture, drawn once a task

  /** Of a label's mean between the images of a task; with a minimum contrast at most 0.3 of
   * the contrast to what it is told from. */
  RandomRange subjectDeviation{ 0.01, 0.1 };

  RandomRange biasSpacing{ 32, 50 };   ///< between the knots of the bias field
  RandomRange biasDeviation{ 0.1, 1 }; ///< of the field's logarithm, drawn once a task, small values more often
  RandomRange blur{ 0.5, 5 };          ///< sigma, drawn once a task
  RandomRange noise{ 0, 0.05 };        ///< standard deviation of the noise behind the blur
  double speckleProbability = 0.15;    ///< of noise that grows with the intensity

  /** Of the logarithm of the slopes of each image's own tone curve, drawn once a task:
   * the order of intensities is kept while contrasts differ, as between stains and scanners. */
  RandomRange toneDeviation{ 0, 0.8 };
  double gammaDeviation = 0.3; ///< of the logarithm of the exponent of the intensities
  double inversionProbability = 0.5;
  double haloProbability = 0.15; ///< of exaggerated contrast along edges
};

/** \class DeformationOptions
 * \brief How the label maps of a task's subjects differ.
 *
 * Every range is that of a standard deviation which is drawn once a task.
 * \ingroup UniverSegTraining
 */
struct DeformationOptions
{
  RandomRange displacement{ 1, 20 };             ///< in pixels of an image of 256 x 256
  std::vector<double> spacings{ 8, 16, 32, 64 }; ///< between the knots of displacement fields; kept free of folds
  RandomRange rotation{ 0, 20 };                 ///< in degrees
  double anyRotationProbability = 0.15;          ///< of tasks with subjects turned by any angle
  RandomRange scale{ 0, 0.15 };                  ///< of its logarithm
  RandomRange translation{ 0, 0.08 };            ///< of the extent
};

/** \class SyntheticTaskOptions
 * \brief What SyntheticTaskSource draws from.
 *
 * The defaults of what concerns Perlin-style label maps are the ranges of
 * UniverSeg's synthetic tasks (Butoi et al., ICCV 2023).
 * \ingroup UniverSegTraining
 */
struct SyntheticTaskOptions
{
  /** How often, relative to each other, a task's label maps are ... */
  double perlinWeight = 1;   ///< ... the greatest of several smooth noises at each pixel
  double objectWeight = 1.5; ///< ... one or many objects, nested ones too, such as cells and lesions
  double tubeWeight = 0.6;   ///< ... curves and branching tubes, such as vessels
  double anatomyWeight = 1;  ///< ... sections of a body with organs, or layers

  std::int64_t minimumLabels = 5; ///< of Perlin-style label maps
  std::int64_t maximumLabels = 19;
  std::vector<double> labelSpacings{ 32, 64, 128 }; ///< between the knots of the noises, at 256 x 256
  RandomRange labelDeviation{ 0.5, 5 };             ///< of the noise of a spacing
  std::vector<double> warpSpacings{ 16, 32, 64, 128 };
  RandomRange warpDeviation{ 4, 15 }; ///< in pixels at 256 x 256

  double unionProbability = 0.2; ///< of a foreground of several of the Perlin-style labels
  double minimumArea = 0.001;    ///< of the foreground, of the image, mean over the subjects
  double maximumArea = 0.7;

  DeformationOptions deformation; ///< of Perlin-style label maps
  DeformationOptions objectDeformation{ { 1, 7 }, { 16, 32, 64 }, { 0, 15 }, 0.15, { 0, 0.12 }, { 0, 0.06 } };
  ImagingOptions imaging; ///< of Perlin-style label maps
  ImagingOptions objectImaging = ImagingOptions::Objects();
};

/** \class SyntheticTaskSource
 * \brief Tasks made of random shapes, without any data.
 *
 * A task has one scene: what labels there are, where and of what shape they are, and
 * how bright; its subjects vary the scene by deformation or by drawing its objects
 * anew, and vary intensities, bias and noise. One label, or labels that belong
 * together, are the foreground, which is 1 in the examples' labels and never empty.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT SyntheticTaskSource : public TaskSource
{
public:
  /** Throws Error, which names the option, when one is out of range. */
  explicit SyntheticTaskSource(SyntheticTaskOptions options = SyntheticTaskOptions());
  ~SyntheticTaskSource() override;

  const SyntheticTaskOptions & GetOptions() const
  {
    return m_Options;
  }

  std::string GetName() const override;

  /** Extents should be at least 16. Throws Error when they or the number of examples
   * are not to be had, or when no scene's foreground has an area within the options'
   * limits. */
  TrainingTask Sample(RandomStream & random, const TaskRequest & request) const override;

private:
  SyntheticTaskOptions m_Options;
};

/** \class LabelMapTaskOptions
 * \brief What LabelMapTaskSource draws from.
 * \ingroup UniverSegTraining
 */
struct LabelMapTaskOptions
{
  std::vector<int> axes{ 0, 1, 2 }; ///< that slices are taken across
  double positionDeviation = 0.05;  ///< of a subject's slice, of the label's extent across the slices
  double unionProbability = 0.2;    ///< of a foreground of two or three labels
  double minimumArea = 0.001;       ///< of the foreground, of the slice
  double maximumArea = 0.7;
  double zoomProbability = 0.5;            ///< of a closer view around the foreground
  RandomRange zoom{ 1, 2.5 };              ///< of the closer view
  std::int64_t maximumBackgroundParts = 4; ///< of intensities that the label 0 is given, by smooth noise
  DeformationOptions deformation{ { 1, 7 }, { 16, 32, 64 }, { 0, 15 }, 0.1, { 0, 0.12 }, { 0, 0.06 } };
  ImagingOptions imaging = ImagingOptions::Objects();
};

/** \class LabelMapTaskSource
 * \brief Tasks of slices of label maps, with images made of the labels (as Billot
 * et al., 2023, do for brains).
 *
 * A task has an axis and one or a few labels other than 0. Its subjects are slices
 * at similar positions within the label: of different volumes where there are several
 * with the label, else of neighbouring slices. Slices are stretched to the extents
 * asked for.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT LabelMapTaskSource : public TaskSource
{
public:
  /** \param volumes int32, int16 or uint8, [depth, height, width], each of at most
   * 256 labels; 0 is the background. They are kept as 8-bit numbers.
   * Throws Error when an option is out of range, a volume is of another kind or no
   * slice has a label of an area within the options' limits. */
  explicit LabelMapTaskSource(std::vector<Tensor> volumes, LabelMapTaskOptions options = LabelMapTaskOptions());
  ~LabelMapTaskSource() override;

  const LabelMapTaskOptions & GetOptions() const
  {
    return m_Options;
  }

  /** The labels that tasks are made of, ascending. */
  std::vector<std::int32_t> GetLabels() const;

  std::string GetName() const override;

  /** As SyntheticTaskSource::Sample(). */
  TrainingTask Sample(RandomStream & random, const TaskRequest & request) const override;

private:
  class Index;

  LabelMapTaskOptions m_Options;
  std::shared_ptr<const Index> m_Index;
};
} // namespace nn
} // namespace itk

#endif
