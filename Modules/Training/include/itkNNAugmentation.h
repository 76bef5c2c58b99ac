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
#ifndef itkNNAugmentation_h
#define itkNNAugmentation_h

#include "UniverSegTrainingExport.h"
#include "itkNNRandomRange.h"
#include "itkNNTensor.h"
#include "itkNNTrainingTask.h"

#include <array>
#include <vector>

namespace itk
{
namespace nn
{
/** \addtogroup UniverSegTraining
 * @{ */

/** Planes of the operations below are float32 of shape [height, width]; every
 * operation returns a new one, and throws Error for what is no such plane. They do
 * what their namesakes of kornia 0.9 (Riba et al., 2020) do. */

/** image + shift, clipped to [0, 1]. */
UniverSegTraining_EXPORT Tensor AdjustBrightness(const Tensor & image, double shift);

/** image * factor, clipped to [0, 1]. Throws Error when the factor is below 0. */
UniverSegTraining_EXPORT Tensor AdjustContrast(const Tensor & image, double factor);

/** smoothed + factor * (image - smoothed), clipped to [0, 1], where the smoothed
 * image is a 3x3 mean with weight 5 of 13 at its centre; the outermost pixels are
 * left alone. 0 smooths, 1 changes nothing, more sharpens. Throws Error when the
 * factor is below 0. */
UniverSegTraining_EXPORT Tensor AdjustSharpness(const Tensor & image, double factor);

/** Gaussian blur with the border mirrored at the outermost pixels.
 * \param sigmaY along the columns, in pixels, above 0
 * \param sigmaX along the rows
 * \param kernelSize weights an axis, odd */
UniverSegTraining_EXPORT Tensor BlurGaussian(const Tensor & image,
                                             double sigmaY,
                                             double sigmaX,
                                             std::int64_t kernelSize = 5);

/** Adds normally distributed noise; the result is not clipped. */
UniverSegTraining_EXPORT Tensor AddNoise(const Tensor & image,
                                         double mean,
                                         double standardDeviation,
                                         RandomStream & random);

/** 1 - plane: of an image its intensities, of a label its inside and outside. */
UniverSegTraining_EXPORT Tensor Invert(const Tensor & plane);

/** Left becomes right. */
UniverSegTraining_EXPORT Tensor FlipHorizontally(const Tensor & plane);

/** Top becomes bottom. */
UniverSegTraining_EXPORT Tensor FlipVertically(const Tensor & plane);

/** Magnitude of the Sobel gradient, sqrt(gx^2 + gy^2 + 1e-6) with weights that sum
 * to 1 and a replicated border, then all planes together rescaled to [0, 1]. */
UniverSegTraining_EXPORT std::vector<Tensor> DetectEdges(const std::vector<Tensor> & labels);

/** x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5] of pixel coordinates, x
 * to the right and y down. */
using AffineMatrix = std::array<double, 6>;

/** Scales and rotates about the centre of the pixels, then translates.
 * \param angle in degrees, from x towards y: clockwise as displayed
 * \param scale above 0
 * \param translationX in pixels, to the right
 * \param translationY in pixels, down */
UniverSegTraining_EXPORT AffineMatrix MakeAffineMatrix(
  std::int64_t height, std::int64_t width, double angle, double scale, double translationX, double translationY);

/** Moves what is at x to matrix(x), with linear interpolation and zero outside.
 * Throws Error when the matrix cannot be inverted. */
UniverSegTraining_EXPORT Tensor TransformAffine(const Tensor & plane, const AffineMatrix & matrix);

/** Smooth displacements of elastic deformation (Simard et al., 2003): noise under a
 * Gaussian of 63 x 63 weights, zero outside, times alpha.
 * \param noise float32, [2, height, width]: x, then y; of [-1, 1]
 * \param alpha in halves of the plane's extent
 * \param sigma in pixels, above 0
 * \return [2, height, width], in halves of the extent */
UniverSegTraining_EXPORT Tensor SmoothDisplacement(const Tensor & noise, double alpha, double sigma);

/** Samples the plane at every pixel's place plus displacement, with linear
 * interpolation and zero outside.
 * \param displacement float32, [2, height, width]: x, then y, in halves of the extent
 * \param cornerAlignedGrid do as kornia did in 2023: places are taken as if the
 * centres of the outermost pixels were the plane's edges, and are clamped to the
 * edges, so that no displacement zooms by half a pixel */
UniverSegTraining_EXPORT Tensor WarpElastic(const Tensor & plane,
                                            const Tensor & displacement,
                                            bool cornerAlignedGrid = false);

/** What is done to examples, how often and how much.
 *
 * A default-constructed object does nothing. The values of Task() and InTask() are
 * those of UniverSeg (Butoi et al., ICCV 2023; table of the supplement). */
struct AugmentationOptions
{
  /** Whether an operation is drawn once for all examples (task augmentation) or for
   * each example by itself (in-task augmentation). */
  enum class Scope
  {
    Task,
    InTask
  };

  UniverSegTraining_EXPORT static AugmentationOptions Task();
  UniverSegTraining_EXPORT static AugmentationOptions InTask();

  Scope scope = Scope::Task;

  double affineProbability = 0;
  RandomRange rotation{ 0, 360 }; ///< in degrees
  RandomRange scale{ 0.8, 1.1 };  ///< the same for both axes
  double maximumTranslationX = 0; ///< of the width, to both sides
  /** Of the height, to both sides. The table's [0, 0.2] are the two maxima in the
   * reference's code, not a range. */
  double maximumTranslationY = 0.2;

  double brightnessContrastProbability = 0; ///< of both, in random order
  RandomRange brightness{ -0.1, 0.1 };
  RandomRange contrast{ 0.8, 1.2 };

  double elasticProbability = 0;
  RandomRange elasticAlpha{ 1, 2 };
  RandomRange elasticSigma{ 6, 8 }; ///< in pixels
  bool cornerAlignedGrid = false;   ///< see WarpElastic()

  double blurProbability = 0;
  RandomRange blurSigma{ 0.1, 1.1 }; ///< in pixels, the same for both axes
  std::int64_t blurKernelSize = 5;
  /** As the reference's code does it: nothing is drawn, the range's low end is sigma
   * along the columns and its high end sigma along the rows. */
  bool blurSigmaIsPair = false;

  double noiseProbability = 0;
  RandomRange noiseMean{ 0, 0.05 };
  RandomRange noiseStandardDeviation{ 0, 0.05 }; ///< called sigma^2 in the table

  double sharpnessProbability = 0;
  RandomRange sharpness{ 0, 5 };

  double horizontalFlipProbability = 0;
  double verticalFlipProbability = 0;
  double intensityFlipProbability = 0;
  double labelFlipProbability = 0;
  double labelEdgesProbability = 0;

  /** As the reference's code does it in a task: brightness, contrast, alpha and sigma
   * of the elastic warp, and mean and deviation of the noise are drawn once for all
   * examples; whether they apply is not. No effect unless the scope is InTask. */
  bool sharedParameters = false;
};

/** @} */

/** \class Augmentation
 * \brief Random changes of the examples of a task.
 *
 * Operations follow each other in this order: flips, affine transform, elastic warp
 * (of image and label alike, with linear interpolation: labels become soft);
 * brightness and contrast in random order, blur, sharpness, noise, flip of
 * intensities (of the image); edges, flip of the label (of the label). Images are not
 * clipped to [0, 1] after noise.
 *
 * In the task scope everything is the same for all examples but the single values of
 * the noise. All examples should then have one shape. In the in-task scope nothing
 * of an example depends on how many there are after it.
 *
 * Safe to use from several threads, each with a stream of its own.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT Augmentation
{
public:
  /** Throws Error, which names the option, when one is out of range. */
  explicit Augmentation(AugmentationOptions options);

  const AugmentationOptions & GetOptions() const
  {
    return m_Options;
  }

  /** Replaces the examples' planes by new ones: tensors are not written to. Throws
   * Error when image and label of an example are no planes of one shape, or in the
   * task scope when the examples' shapes differ. */
  void Apply(RandomStream & random, std::vector<TrainingExample> & examples) const;

private:
  AugmentationOptions m_Options;
};
} // namespace nn
} // namespace itk

#endif
