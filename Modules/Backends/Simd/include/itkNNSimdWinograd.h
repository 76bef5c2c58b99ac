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
#ifndef itkNNSimdWinograd_h
#define itkNNSimdWinograd_h

#include "UniverSegSimdExport.h"
#include "itkNNSimdPostOperation.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
namespace simd
{
/** \ingroup UniverSegSimd
 * The extents of a convolution of 3x3 or 3x3x3 weights with stride 1 and zeros
 * around its input. */
struct WinogradShape
{
  std::int64_t images = 1;
  std::int64_t inChannels = 1;
  std::int64_t outChannels = 1;
  std::int64_t inHeight = 1;
  std::int64_t inWidth = 1;
  std::int64_t outHeight = 1; ///< inHeight + paddingTop + padding below - 2
  std::int64_t outWidth = 1;
  std::int64_t paddingTop = 0; ///< rows of zeros before the first
  std::int64_t paddingLeft = 0;
  int block = 8; ///< channels that lie together: 8 or 16
  int tile = 4;  ///< outputs of a tile along an axis: 4 or 2

  std::int64_t inDepth = 1;
  std::int64_t outDepth = 1; ///< inDepth, or of 3x3x3 weights inDepth + the paddings - 2
  std::int64_t paddingFront = 0;
  int depthTile = 1; ///< 1: weights of 3x3; 2: of 3x3x3
};

/** \ingroup UniverSegSimd
 * Memory of one execution. */
struct WinogradArguments
{
  const float * src = nullptr;              ///< [images, ceil(inChannels / block), inDepth, inHeight, inWidth, block]
  const float * weights = nullptr;          ///< as PackWeights() writes them
  const float * bias = nullptr;             ///< [outChannels], or null
  std::vector<const float *> operands = {}; ///< of the post-operations that have one, in their order
  float * dst = nullptr; ///< [images, ceil(outChannels / block), outDepth, outHeight, outWidth, block]
};

/** \class WinogradConvolution
 * \brief Convolution by Winograd's minimal filtering, F(4x4, 3x3), F(2x2, 3x3),
 * F(2x4x4, 3x3x3) or F(2x2x2, 3x3x3).
 *
 * A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks",
 * CVPR 2016, arXiv:1509.09308. An output tile of m x m takes (m + 2)^2 products
 * a pair of channels instead of 9 m^2: 4 times fewer for m = 4, 2.25 for m = 2,
 * and in volumes 6 times for tiles of 2 x 4 x 4, 3.375 for 2 x 2 x 2. A group of tiles is transformed, multiplied
 * by the transformed weights, as one matrix product a point, and transformed
 * back while it stays in the core's second-level cache.
 *
 * The points are 0, +-0.625, +-1.5 and infinity for m = 4: with 64 input
 * channels the root mean square of the error is 8e-7 of the results', 1.7e-6
 * with the usual 0, +-1, +-2; for m = 2 (0, +-1 and infinity) it is 3e-7.
 *
 * The channels that fill the last block of the input should be zeros; those of
 * the output become zeros. An infinity or a NaN spreads to the whole tile.
 *
 * The object is immutable: threads share it, each with its scratch and items.
 * \ingroup UniverSegSimd
 */
class UniverSegSimd_EXPORT WinogradConvolution
{
public:
  /** Tiles of one item of work. */
  static constexpr std::int64_t tilesPerItem = 6;

  /** \param shape the convolution
   * \param postOperations of the result, in their order
   * \param callers of Run() that share the items; the scratch fits their parts
   * \param cacheBytes of the second-level cache of a core; 0: ask the system */
  explicit WinogradConvolution(const WinogradShape & shape,
                               std::vector<PostOperation> postOperations = {},
                               std::int64_t callers = 1,
                               std::size_t cacheBytes = 0);

  /** Floats of the packed weights. */
  std::size_t GetPackedElements() const;

  /** What the packed form depends on, beside the weights. */
  std::string GetPackingKey() const;

  /** Transform weights [outChannels, inChannels, 3, 3] or [outChannels,
   * inChannels, 3, 3, 3], in double precision.
   * \param order Transposed: weights [inChannels, outChannels, ...] of the
   * convolution whose adjoint this one is, so with their taps in reverse order. */
  enum class WeightOrder : std::uint8_t
  {
    Direct,
    Transposed
  };
  void PackWeights(const float * weights, float * packed, WeightOrder order = WeightOrder::Direct) const;

  /** The same for some of the input channels, [begin, end), so that threads can
   * share the work. */
  void PackWeights(
    const float * weights, float * packed, WeightOrder order, std::int64_t begin, std::int64_t end) const;

  /** Work to share among threads, in items of equal size. */
  std::int64_t GetNumberOfItems() const;

  /** Bytes of weights and transformed tiles that a caller of so many items
   * moves between the second-level cache and what is beyond. */
  double GetTrafficBytes(std::int64_t items) const;

  /** Scratch of one caller of Run(), to be aligned to 64. */
  std::size_t GetScratchBytes() const;

  /** Compute the items [begin, end). */
  void Run(const WinogradArguments & arguments, std::int64_t begin, std::int64_t end, void * scratch) const;

  /** The instruction set and the algorithm: "AVX3:f4x4" or "AVX3:f2x2x2". */
  std::string GetVariant() const;

  const WinogradShape & GetShape() const
  {
    return m_Shape;
  }

private:
  friend struct WinogradAccess;

  WinogradShape m_Shape;
  std::vector<PostOperation> m_PostOperations;
  std::int64_t m_InBlocks;
  std::int64_t m_OutBlocks;
  std::int64_t m_TilesZ;
  std::int64_t m_TilesY;
  std::int64_t m_TilesX;
  std::int64_t m_PanelBlocks; ///< blocks of output channels whose weights are packed together
  std::int64_t m_Groups;      ///< groups of tiles that are computed together
  bool m_WeightsStay;         ///< in the second-level cache
  bool m_TilesStay;
  std::size_t m_ChannelOperands;
  const char * m_Target;
  void (*m_Run)(const WinogradConvolution &, const WinogradArguments &, std::int64_t, std::int64_t, float *);
};
} // namespace simd
} // namespace nn
} // namespace itk

#endif
