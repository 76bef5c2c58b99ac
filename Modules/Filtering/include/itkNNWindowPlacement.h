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
#ifndef itkNNWindowPlacement_h
#define itkNNWindowPlacement_h

#include "UniverSegFilteringExport.h"
#include "itkNNShape.h"
#include "itkSlidingWindowEnums.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
using WindowPlacement = SlidingWindowEnums::Placement;
using WindowBlending = SlidingWindowEnums::Blending;

/** "pymic", "monai", "nnunet", "u2net", "hermes" and "constant", "gaussian", in the order of the values: their names
 * in files. \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT const std::vector<std::string> & GetWindowPlacementNames();
UniverSegFiltering_EXPORT const std::vector<std::string> & GetWindowBlendingNames();

/** \class WindowOptions
 * \brief Extents and distances of sliding windows.
 *
 * Extents are in pixels, one entry for each axis of the image, slowest axis first.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT WindowOptions
{
  WindowPlacement placement = WindowPlacement::PyMIC;
  Shape window;          ///< extents; has no default
  Shape stride;          ///< of PyMIC, without a default; above the window's extent means that
  double overlap = 0.25; ///< of MONAI: share of a window, in [0, 1)
  double step = 0.5;     ///< of NnUNet: share of a window, in [0.001, 1]
  /** Of PyMIC: pad an image that is smaller than the window as the other placements do, for
   * networks that take windows of one size only. PyMIC itself makes the window smaller. */
  bool padToWindow = false;

  /** Throws Error when the options that the placement uses are out of range or have not as
   * many entries as the image has axes. */
  void Check(std::size_t axes) const;
};

/** \class WindowRegion
 * \brief A box of an image, slowest axis first.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT WindowRegion
{
  Shape start;
  Shape size;
};

/** \class WindowLayout
 * \brief The windows of an image: every combination of the starts along its axes.
 *
 * Windows are numbered with the last axis fastest, so that those that begin at the same row
 * of the first axis, a slab, follow each other. All positions are pixels of the image; where
 * it is padded, a window begins before 0.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT WindowLayout
{
  /** \brief A start along an axis. */
  struct Start
  {
    std::int64_t position = 0;
    std::int64_t multiplicity = 1; ///< how often the placement repeats it
  };

  /** \brief A window of the image. */
  struct Window
  {
    Shape start;
    std::int64_t multiplicity = 1; ///< how often its logits count
  };

  Shape image;
  Shape window; ///< extents of each
  Shape before; ///< padding before the image along each axis
  Shape after;  ///< and after it

  std::vector<std::vector<Start>> starts; ///< along each axis, distinct and increasing

  std::int64_t GetNumberOfWindows() const;

  /** Throws Error unless 0 <= number < GetNumberOfWindows(). */
  Window GetWindow(std::int64_t number) const;

  /** The numbers, increasing, of the windows that share a pixel with a region.
   * Throws Error when the region is empty or not within the image. */
  std::vector<std::int64_t> Select(const WindowRegion & region) const;

  /** What the windows of Select() cover of the image, a box. Throws Error as Select(). */
  WindowRegion GetCoveredRegion(const WindowRegion & region) const;

  /** The windows of the image that is mirrored along some axes, as they lie on the image itself.
   * Throws Error for an axis that is not there or is given twice. */
  WindowLayout Mirror(const std::vector<int> & axes) const;

  /** Throws Error unless the members fit each other and the windows cover the image. */
  void Check() const;
};

/** Place windows on an image of one to three axes.
 *
 * The padding of an axis that is smaller than the window is their difference, half of it
 * (rounded down) before the image; of U2Net as much before as behind, rounded up; of Hermes all
 * behind it. With PyMIC, one window that covers the image counts once, whatever the stride.
 * Throws Error as WindowOptions::Check(), and when the image has no pixels or another number
 * of axes. \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT WindowLayout PlaceWindows(const Shape & image, const WindowOptions & options);

/** Throws Error for an axis that is not there or is given twice.
 * \param axes of an image of as many as \a count, 0 the slowest. \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT void CheckMirrorAxes(const std::vector<int> & axes, std::size_t count);
} // namespace nn
} // namespace itk

#endif
