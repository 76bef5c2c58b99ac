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
#ifndef itkNNSlidingWindowPredictor_h
#define itkNNSlidingWindowPredictor_h

#include "UniverSegFilteringExport.h"
#include "itkNNNetworkRunner.h"
#include "itkNNWindowMerger.h"
#include "itkNNWindowPlacement.h"
#include "itkNNWindowWeights.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class SlidingWindowOptions
 * \brief How a network runs over an image that is larger than its input.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT SlidingWindowOptions
{
  WindowOptions windows;
  WindowBlending blending = WindowBlending::Gaussian;
  double paddingValue = 0;    ///< of the pixels of a window that are not in the image
  std::int64_t batchSize = 1; ///< windows in one run of the network

  /** Logits become probabilities, each class for itself, before they are merged. */
  bool sigmoid = false;

  /** Test-time augmentation: axes of the image, 0 the slowest, along which it is mirrored.
   * The logits are the mean over all combinations of them, 2^axes runs; none by default.
   *
   * With the PyMIC placement the windows are placed and weighted on the mirrored image, as PyMIC
   * does it; with the others each window is mirrored, as in nnU-Net. */
  std::vector<int> mirrorAxes;

  /** Merged logits that are held at a time, about, in bytes. A region that needs more is merged
   * in parts, side by side, which run windows between them once for each part. Never less than
   * what one window has. */
  std::size_t maximumBytes = std::size_t{ 2 } << 30;
};

/** \class SlidingWindowPredictor
 * \brief Runs a network over an image in sliding windows.
 *
 * Each distinct window is run once and counts as often as the placement repeats it. Memory is
 * bounded by the rows of a window along the first (slowest) axis of the image, not by the image.
 *
 * The network has an input "input" [N, C, ...] and logits [N, K, ...] of the same extents; other
 * outputs are ignored, and computed unless the runner's PlanOptions::outputs leaves them out.
 * Images have one to three axes, as many as the network takes.
 *
 * Immutable: several threads may predict at a time.
 * \ingroup UniverSegFiltering */
class UniverSegFiltering_EXPORT SlidingWindowPredictor
{
public:
  /** Reads pixels of the image.
   * \param region within the image.
   * \param pixels to be written, [C, region...], Float32; a view, whose strides are not those of
   * its shape. */
  using Source = std::function<void(const WindowRegion & region, Tensor & pixels)>;

  /** Takes merged logits, those of each pixel of the requested region once.
   * \param region within the requested one.
   * \param logits [K, region...], Float32, contiguous. */
  using Sink = std::function<void(const WindowRegion & region, const Tensor & logits)>;

  /** Throws Error when an option is out of its range or does not fit the image, and when the
   * network does not take such windows or gives other outputs.
   * \param channels C.
   * \param image extents, slowest axis first. */
  SlidingWindowPredictor(std::shared_ptr<NetworkRunner> runner,
                         std::int64_t channels,
                         const Shape & image,
                         const SlidingWindowOptions & options);
  ~SlidingWindowPredictor();
  SlidingWindowPredictor(const SlidingWindowPredictor &) = delete;
  SlidingWindowPredictor & operator=(const SlidingWindowPredictor &) = delete;

  /** What of an image the network sees when a region is predicted.
   * Throws Error as the constructor, and when the region is empty or not within the image. */
  static WindowRegion GetSourceRegion(const Shape & image,
                                      const SlidingWindowOptions & options,
                                      const WindowRegion & region);

  /** The windows of the image as it is, not mirrored. */
  const WindowLayout & GetLayout() const
  {
    return m_Passes.front().layout;
  }

  /** K. */
  std::int64_t GetNumberOfClasses() const
  {
    return m_Classes;
  }

  /** How many windows Predict() runs for a region, each mirrored one counted.
   * Throws Error when the region is empty or not within the image. */
  std::int64_t GetNumberOfRuns(const WindowRegion & region) const;

  /** Predict a region.
   * Throws Error when the region is empty or not within the image, Cancelled when the hook says
   * so; it is asked between and within runs of the network. The hook for the progress is given
   * the part of the windows that are done.
   * \return the number of windows that were run, as GetNumberOfRuns(). */
  std::int64_t Predict(const WindowRegion & region,
                       const Source & source,
                       const Sink & sink,
                       const RunHooks & hooks = {}) const;

  /** Predict the whole image. */
  std::int64_t Predict(const Source & source, const Sink & sink, const RunHooks & hooks = {}) const;

  /** The parts in which a region is merged, from SlidingWindowOptions::maximumBytes. */
  std::vector<WindowRegion> Split(const WindowRegion & region) const;

private:
  /** The windows of the image as mirrored along some axes. */
  struct Pass
  {
    std::vector<int> axes;
    WindowLayout layout;
    WindowWeights weights;
  };

  struct Progress;

  static std::vector<Pass> MakePasses(const Shape & image, const SlidingWindowOptions & options);

  void PredictPart(const WindowRegion & region, const Source & source, const Sink & sink, Progress & progress) const;

  /** Logits [N, K, window...] of the windows of a pass. */
  Tensor Run(const Pass & pass,
             const std::int64_t * windows,
             std::int64_t count,
             const Source & source,
             Progress & progress) const;

  /** Logits of a batch that is mirrored for the run, and back. */
  Tensor RunMirrored(const Tensor & batch, const std::vector<int> & axes, Progress & progress) const;

  std::shared_ptr<NetworkRunner> m_Runner;
  SlidingWindowOptions m_Options;
  std::int64_t m_Channels;
  std::int64_t m_Classes = 0;
  std::vector<Pass> m_Passes;                   ///< the first is not mirrored
  std::vector<std::vector<int>> m_OfEachWindow; ///< axes of each run of a window; the first has none
};

/** The class of the greatest logit, the first of equal ones; Int32 [...].
 * Throws Error when the logits are not Float32 or not contiguous.
 * \param logits [K, ...].
 * \param threads 0: ITK's default. \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT Tensor SelectClasses(const Tensor & logits, unsigned int threads = 0);

/** The probability of a class: its softmax over the classes; Float32 [...].
 * Throws Error as SelectClasses(), and when there is no such class.
 * \ingroup UniverSegFiltering */
UniverSegFiltering_EXPORT Tensor ComputeProbability(const Tensor & logits,
                                                    std::int64_t classNumber,
                                                    unsigned int threads = 0);
} // namespace nn
} // namespace itk

#endif
