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
#ifndef itkNNWindowWeights_h
#define itkNNWindowWeights_h

#include "UniverSegFilteringExport.h"
#include "itkNNTensor.h"
#include "itkNNWindowPlacement.h"

#include <vector>

namespace itk
{
namespace nn
{

/** \class WindowWeights
 * \brief The weight of each pixel of a sliding window.
 *
 * It is the product of one value for each axis; where a source says so, rounded to half
 * precision and then raised to a least value. Or it follows from the distance from a middle,
 * whose square is the sum of one value for each axis.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT WindowWeights
{
  std::vector<std::vector<double>> axes; ///< the factors or squared distances, slowest axis first
  bool isDistance = false;               ///< they are squared distances
  bool isHalf = false;                   ///< products are rounded to half precision
  double least = 0;                      ///< least weight

  /** The weights of a source. Each Gaussian has a standard deviation of an eighth of the
   * window.
   *
   * - PyMIC: a one at window div 2, filtered with the Gaussian that is cut off at
   *   int(4 sigma + 0.5) and has the sum 1. Not raised: the corners have as little as 1e-15.
   * - MONAI: exp(-x^2 / (2 sigma^2)), x from the middle of the window, raised to the greater
   *   of its least value and 0.001. Hermes, whose source has no Gaussian, as MONAI.
   * - NnUNet: as PyMIC's, scaled to a maximum of 10, rounded to half precision, and zeros
   *   raised to the least value that is not zero.
   * - U2Net: 1 - (d - d_min) / (d_max - d_min) + 1e-20, d the distance from the indices that
   *   are half the window's extents.
   *
   * Throws Error when the window has not one to three axes or an extent below 1.
   * \param window extents, those of WindowLayout. */
  static WindowWeights Make(WindowPlacement placement, WindowBlending blending, const Shape & window);

  /** The weights of a window that is mirrored along some axes.
   * Throws Error for an axis that is not there or is given twice. */
  WindowWeights Mirror(const std::vector<int> & axesToMirror) const;

  /** Whether a weight is the product of the factors as it is. */
  bool IsSeparable() const
  {
    return !isHalf && !isDistance && least <= 0;
  }

  /** The weight of a product of factors, those that are no distances. */
  double FromProduct(double product) const;

  /** The weights of all pixels, of the window's shape, in Float64. */
  Tensor ToTensor() const;
};
} // namespace nn
} // namespace itk

#endif
