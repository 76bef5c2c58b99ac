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
#ifndef itkNNWindowMerger_h
#define itkNNWindowMerger_h

#include "UniverSegFilteringExport.h"
#include "itkNNTensor.h"
#include "itkNNWindowPlacement.h"
#include "itkNNWindowWeights.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace itk
{
namespace nn
{
/** \class WindowMerger
 * \brief Merges the logits of sliding windows into those of the image, row after row.
 *
 * A merged logit is the weighted sum of those of the windows over it, divided by the sum of
 * the weights. Products are made in double precision and summed in single precision, as PyMIC
 * does it. With a single window its logits are passed on as they are.
 *
 * Windows arrive in the order of GetWindows(): slab after slab of the first (slowest) axis.
 * As soon as no window to come touches a row, it is passed on and forgotten, so that no more
 * rows than a window has are held. Rows are passed on in blocks of about BlockBytes.
 *
 * A region of the image may be merged alone. Only the windows that touch it are asked for,
 * and its logits are those of the whole image, bit by bit.
 *
 * Not safe for calls from several threads at a time. After Add() has thrown for another
 * reason than its argument, as from the output, the merger is of no use.
 * \ingroup UniverSegFiltering */
class UniverSegFiltering_EXPORT WindowMerger
{
public:
  /** Takes finished rows.
   * \param firstRow along the first axis of the image.
   * \param logits [channels, rows, ...], Float32, of the region's extents along the other
   * axes; owned by the receiver. */
  using Output = std::function<void(std::int64_t firstRow, const Tensor & logits)>;

  /** The region is the whole image when it has no entries.
   * Throws Error when the layout is not one of PlaceWindows(), the weights are not those of
   * its windows, there are no channels, the output is empty, or the region has no pixels or
   * is not within the image.
   * \param threads 0: ITK's default. */
  WindowMerger(const WindowLayout & layout,
               const WindowWeights & weights,
               std::int64_t channels,
               Output output,
               const WindowRegion & region = {},
               unsigned int threads = 0);

  /** Size of a block of rows that is passed on, unless one row has more. */
  static constexpr std::size_t BlockBytes = std::size_t{ 8 } << 20;

  /** The numbers of the windows to add, in this order. */
  const std::vector<std::int64_t> & GetWindows() const
  {
    return m_Windows;
  }

  /** How many of GetWindows() have been added. */
  std::size_t GetNumberOfAddedWindows() const
  {
    return m_Added;
  }

  /** Whether all windows have been added, and so all rows passed on. */
  bool IsComplete() const
  {
    return m_Added == m_Windows.size();
  }

  /** The most rows of the first axis that are held at a time. */
  std::int64_t GetMaximumNumberOfRows() const
  {
    return m_Capacity;
  }

  /** Add the next window and pass on the rows that it finishes.
   * Throws Error when all have been added, or the shape is another.
   * \param logits [channels, window...]; of other types than Float32 they are converted. */
  void Add(const Tensor & logits);

private:
  /** What a window and the region share along an axis. */
  struct Span
  {
    std::int64_t begin; ///< in the region
    std::int64_t end;
    std::int64_t offset; ///< of begin in the window
  };

  Span Clip(std::size_t axis, std::int64_t start) const;
  void Accumulate(const WindowLayout::Window & window, const float * logits);
  /** The sum of the weights of each pixel of a row of the first axis. */
  void SumWeights(std::int64_t row, double * plane) const;
  /** Passes on the rows before one, as a block. */
  void PassOn(std::int64_t end);
  float * GetHeldRow(std::int64_t channel, std::int64_t row);

  // All with three axes: a second and third one of one pixel are put behind the first, so that
  // the last axis remains the fastest.
  WindowLayout m_Layout;
  WindowRegion m_Region;
  WindowWeights m_Weights;
  std::size_t m_Axes;
  std::int64_t m_Channels;
  Output m_Output;
  unsigned int m_Threads;

  std::vector<std::int64_t> m_Windows;
  std::size_t m_Added = 0;
  std::vector<std::vector<double>> m_Sums; ///< of separable weights, for each axis of the region
  Tensor m_Map;                            ///< of the others: the weights of a window
  std::int64_t m_Capacity = 0;             ///< rows of m_Held
  std::int64_t m_Plane = 0;                ///< pixels of a row of the first axis
  std::int64_t m_Finished = 0;             ///< rows of the region that were passed on
  std::vector<float> m_Held;               ///< [channels, rows modulo the capacity, ...]
};
} // namespace nn
} // namespace itk

#endif
