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
#ifndef itkSlidingWindowEnums_h
#define itkSlidingWindowEnums_h

#include "UniverSegFilteringExport.h"

#include <cstdint>
#include <ostream>

namespace itk
{
/** \class SlidingWindowEnums
 * \brief Enumerations of SlidingWindowSegmentationImageFilter.
 * \ingroup UniverSegFiltering
 */
class SlidingWindowEnums
{
public:
  /** \class Placement
   * Whose rule says where sliding windows lie, and how they are weighted.
   *
   * - PyMIC (Wang et al., 2023; github.com/HiLab-git/PyMIC, net_run/infer_func.py): a window is
   *   not greater than the image, unless that is padded. Starts are the multiples of the stride below the extent of
   *   the image; those after the last that fits are moved back to it, and count again each time.
   * - MONAI (Cardoso et al., arXiv 2211.02701; monai.inferers.sliding_window_inference): starts
   *   are the multiples of int(window * (1 - overlap)) up to the first window that reaches the
   *   end, which is moved back. A smaller image is padded on both sides.
   * - NnUNet (Isensee et al., Nature Methods 2021; github.com/MIC-DKFZ/nnUNet, version 2): the
   *   fewest equal steps of at most window * step, rounded half to even. A smaller image is
   *   padded on both sides.
   * - U2Net (Huang et al., MICCAI 2019; github.com/huangmozhilv/u2net_torch): steps of half a
   *   window until one more than covers the image; those after the last that fits are moved
   *   back to it, and count again. A smaller image is padded by equal amounts on both sides.
   * - Hermes (Y. Gao et al., CVPR 2024; github.com/yhygao/universal-medical-image-segmentation):
   *   as many steps of half a window as the image has halves; those after the last that fits are
   *   moved back to it, and count again. A smaller image is padded at its end.
   * \ingroup UniverSegFiltering */
  enum class Placement : std::uint8_t
  {
    PyMIC,
    MONAI,
    NnUNet,
    U2Net,
    Hermes
  };

  /** \class Blending
   * How the pixels of a sliding window count.
   * \ingroup UniverSegFiltering */
  enum class Blending : std::uint8_t
  {
    Constant, ///< equally; MONAI's default, and all that Hermes has
    Gaussian  ///< less towards the border, as the placement's source has it; PyMIC's, nnU-Net's, U2Net's default
  };
};

UniverSegFiltering_EXPORT std::ostream & operator<<(std::ostream & out, SlidingWindowEnums::Placement value);
UniverSegFiltering_EXPORT std::ostream & operator<<(std::ostream & out, SlidingWindowEnums::Blending value);
} // namespace itk

#endif
