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
#include "itkNNSimdWinograd.h"

#include "itkNNSimdTargets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "itkNNSimdWinograd.cxx"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstring>

#ifndef itkNNSimdWinograd_cxx
#  define itkNNSimdWinograd_cxx

#  if defined(__unix__) || defined(__APPLE__)
#    include <unistd.h>
#  endif

namespace itk
{
namespace nn
{
namespace simd
{
/** Tiles whose products are computed together, in registers. */
constexpr std::int64_t winogradGroup = WinogradConvolution::tilesPerItem;

/** Most groups of a batch. */
constexpr std::int64_t winogradMaximumGroups = 32;

/** Points of F(4, 3): 0, a, -a, b, -b and infinity. */
constexpr double winogradA = 0.625;
constexpr double winogradB = 1.5;

/** Points along an axis of a tile. */
constexpr int
GetPoints(int tile)
{
  return tile == 1 ? 1 : tile + 2;
}

/** Points of a tile. */
constexpr std::int64_t
GetPoints(int depthTile, int tile)
{
  return static_cast<std::int64_t>(GetPoints(depthTile)) * GetPoints(tile) * GetPoints(tile);
}

/** The members of a convolution, for the kernels. */
struct WinogradAccess
{
  explicit WinogradAccess(const WinogradConvolution & convolution)
    : shape(convolution.m_Shape)
    , postOperations(convolution.m_PostOperations)
    , inBlocks(convolution.m_InBlocks)
    , outBlocks(convolution.m_OutBlocks)
    , tilesZ(convolution.m_TilesZ)
    , tilesY(convolution.m_TilesY)
    , tilesX(convolution.m_TilesX)
    , panelBlocks(convolution.m_PanelBlocks)
    , groups(convolution.m_Groups)
    , points(GetPoints(convolution.m_Shape.depthTile, convolution.m_Shape.tile))
    , outPixels(convolution.m_Shape.outDepth * convolution.m_Shape.outHeight * convolution.m_Shape.outWidth)
    , tiles(convolution.m_Shape.images * tilesZ * tilesY * tilesX)
    // The odd line keeps the points' rows from falling in the same sets of a cache.
    , inPoint(winogradGroup * inBlocks * shape.block + 16)
    , outPoint(winogradGroup * outBlocks * shape.block + 16)
  {}

  const WinogradShape & shape;
  const std::vector<PostOperation> & postOperations;
  std::int64_t inBlocks;
  std::int64_t outBlocks;
  std::int64_t tilesZ;
  std::int64_t tilesY;
  std::int64_t tilesX;
  std::int64_t panelBlocks;
  std::int64_t groups;
  std::int64_t points;    ///< of a tile
  std::int64_t outPixels; ///< of an image
  std::int64_t tiles;
  std::int64_t inPoint;  ///< floats between the points of the transformed input
  std::int64_t outPoint; ///< floats between the points of the products
};

/** What a target computes with. */
struct WinogradTarget
{
  const char * name;
  int panelBlocks; ///< most blocks of a panel
  void (*run)(const WinogradConvolution &, const WinogradArguments &, std::int64_t, std::int64_t, float *);
};
} // namespace simd
} // namespace nn
} // namespace itk
#endif

HWY_BEFORE_NAMESPACE();
namespace itk
{
namespace nn
{
namespace simd
{
namespace HWY_NAMESPACE
{
namespace
{
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON
constexpr int panelVectors = 4; // of 32 registers
#else
constexpr int panelVectors = 2; // of 16 registers
#endif

template <int VBlock>
using BlockTag = hn::CappedTag<float, VBlock>;

/** One axis of the transforms of F(m, 3). */
template <int VTile>
struct Transform;

template <>
struct Transform<4>
{
  static constexpr float a = static_cast<float>(winogradA);
  static constexpr float b = static_cast<float>(winogradB);
  static constexpr float a2 = static_cast<float>(winogradA * winogradA);
  static constexpr float b2 = static_cast<float>(winogradB * winogradB);
  static constexpr float a3 = static_cast<float>(winogradA * winogradA * winogradA);
  static constexpr float b3 = static_cast<float>(winogradB * winogradB * winogradB);
  static constexpr float sum = static_cast<float>(winogradA * winogradA + winogradB * winogradB);
  static constexpr float product = static_cast<float>(winogradA * winogradA * winogradB * winogradB);

  /** Coefficients of the products of all other points' (x - point). */
  template <class D, class V>
  static HWY_INLINE void Input(D d, const V * HWY_RESTRICT x, V * HWY_RESTRICT y)
  {
    const V va = hn::Set(d, a);
    const V vb = hn::Set(d, b);
    const V va2 = hn::Set(d, a2);
    const V vb2 = hn::Set(d, b2);
    const V vsum = hn::Set(d, sum);
    const V vproduct = hn::Set(d, product);
    const V evenA = hn::NegMulAdd(vb2, x[2], x[4]);
    const V oddA = hn::NegMulAdd(vb2, x[1], x[3]);
    const V evenB = hn::NegMulAdd(va2, x[2], x[4]);
    const V oddB = hn::NegMulAdd(va2, x[1], x[3]);
    y[0] = hn::MulAdd(vproduct, x[0], hn::NegMulAdd(vsum, x[2], x[4]));
    y[1] = hn::MulAdd(va, oddA, evenA);
    y[2] = hn::NegMulAdd(va, oddA, evenA);
    y[3] = hn::MulAdd(vb, oddB, evenB);
    y[4] = hn::NegMulAdd(vb, oddB, evenB);
    y[5] = hn::MulAdd(vproduct, x[1], hn::NegMulAdd(vsum, x[3], x[5]));
  }

  /** Sums of the products over the points, times the points' powers. */
  template <class D, class V>
  static HWY_INLINE void Output(D d, const V * HWY_RESTRICT x, V * HWY_RESTRICT y)
  {
    const V sumA = hn::Add(x[1], x[2]);
    const V differenceA = hn::Sub(x[1], x[2]);
    const V sumB = hn::Add(x[3], x[4]);
    const V differenceB = hn::Sub(x[3], x[4]);
    y[0] = hn::Add(hn::Add(x[0], sumA), sumB);
    y[1] = hn::MulAdd(hn::Set(d, a), differenceA, hn::Mul(hn::Set(d, b), differenceB));
    y[2] = hn::MulAdd(hn::Set(d, a2), sumA, hn::Mul(hn::Set(d, b2), sumB));
    y[3] = hn::MulAdd(hn::Set(d, a3), differenceA, hn::MulAdd(hn::Set(d, b3), differenceB, x[5]));
  }
};

/** Points 0, 1, -1 and infinity. */
template <>
struct Transform<2>
{
  template <class D, class V>
  static HWY_INLINE void Input(D, const V * HWY_RESTRICT x, V * HWY_RESTRICT y)
  {
    y[0] = hn::Sub(x[2], x[0]);
    y[1] = hn::Add(x[2], x[1]);
    y[2] = hn::Sub(x[2], x[1]);
    y[3] = hn::Sub(x[3], x[1]);
  }

  template <class D, class V>
  static HWY_INLINE void Output(D, const V * HWY_RESTRICT x, V * HWY_RESTRICT y)
  {
    y[0] = hn::Add(hn::Add(x[0], x[1]), x[2]);
    y[1] = hn::Add(hn::Sub(x[1], x[2]), x[3]);
  }
};

/** A tile of an image: its part in the result, and the pixels it reads. */
struct Tile
{
  std::int64_t image;
  std::int64_t z; ///< of its first result
  std::int64_t y;
  std::int64_t x;
  int slices; ///< that are results
  int rows;
  int columns;
  int beginZ; ///< of its pixels in the image, the others being padding
  int endZ;
  int beginY;
  int endY;
  int beginX;
  int endX;
};

template <int VDepth, int VTile>
HWY_INLINE Tile
MakeTile(const WinogradAccess & access, std::int64_t index)
{
  constexpr std::int64_t n = VTile + 2;
  const WinogradShape & shape = access.shape;
  const std::int64_t row = index / access.tilesX;
  const std::int64_t slice = row / access.tilesY;
  Tile tile;
  // Divisions take long.
  tile.image = access.tilesZ == 1 ? slice : slice / access.tilesZ;
  tile.z = (slice - tile.image * access.tilesZ) * VDepth;
  tile.y = row % access.tilesY * VTile;
  tile.x = index % access.tilesX * VTile;
  tile.slices = static_cast<int>(std::min<std::int64_t>(shape.outDepth - tile.z, VDepth));
  tile.rows = static_cast<int>(std::min<std::int64_t>(shape.outHeight - tile.y, VTile));
  tile.columns = static_cast<int>(std::min<std::int64_t>(shape.outWidth - tile.x, VTile));
  const auto clamp = [](std::int64_t value, std::int64_t low, std::int64_t high) HWY_ATTR
  { return static_cast<int>(std::min(std::max(value, low), high)); };
  tile.beginZ = clamp(shape.paddingFront - tile.z, 0, GetPoints(VDepth));
  tile.endZ = clamp(shape.paddingFront - tile.z + shape.inDepth, tile.beginZ, GetPoints(VDepth));
  tile.beginY = clamp(shape.paddingTop - tile.y, 0, n);
  tile.endY = clamp(shape.paddingTop - tile.y + shape.inHeight, tile.beginY, n);
  tile.beginX = clamp(shape.paddingLeft - tile.x, 0, n);
  tile.endX = clamp(shape.paddingLeft - tile.x + shape.inWidth, tile.beginX, n);
  return tile;
}

/** The points of one tile and one block of channels; those of one place are
 * point floats apart. rows: the tile's rows of pixels, which may begin outside
 * of the image. */
template <int VBlock, int VTile>
HWY_INLINE void
TransformInput(const float * const * rows, int beginX, int endX, float * HWY_RESTRICT dst, std::int64_t point)
{
  constexpr int n = VTile + 2;
  const BlockTag<VBlock> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(BlockTag<VBlock>()));
  for (int lane = 0; lane < VBlock; lane += lanes)
  {
    V half[n][n];
    for (int x = 0; x < n; ++x)
    {
      V in[n];
      V out[n];
      if (x >= beginX && x < endX)
      {
        for (int y = 0; y < n; ++y)
        {
          in[y] = hn::LoadU(d, rows[y] + x * VBlock + lane);
        }
        Transform<VTile>::Input(d, in, out);
      }
      else
      {
        for (int y = 0; y < n; ++y)
        {
          out[y] = hn::Zero(d);
        }
      }
      for (int y = 0; y < n; ++y)
      {
        half[y][x] = out[y];
      }
    }
    for (int y = 0; y < n; ++y)
    {
      V out[n];
      Transform<VTile>::Input(d, half[y], out);
      for (int x = 0; x < n; ++x)
      {
        hn::StoreU(out[x], d, dst + (y * n + x) * point + lane);
      }
    }
  }
}

/** The points along the depth of the rows of pixels of one tile and one block
 * of channels. rows: [points of the depth, points]; slices: [points of the
 * depth, points, points, block], of which only the columns that are not padding
 * are written. */
template <int VBlock, int VDepth, int VTile>
HWY_INLINE void
TransformInputDepth(const float * const * rows, int beginX, int endX, float * HWY_RESTRICT slices)
{
  constexpr int depth = GetPoints(VDepth);
  constexpr int n = GetPoints(VTile);
  const BlockTag<VBlock> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(BlockTag<VBlock>()));
  for (int y = 0; y < n; ++y)
  {
    for (int k = beginX * VBlock; k < endX * VBlock; k += lanes)
    {
      V in[depth];
      V out[depth];
      for (int z = 0; z < depth; ++z)
      {
        in[z] = hn::LoadU(d, rows[z * n + y] + k);
      }
      Transform<VDepth>::Input(d, in, out);
      for (int z = 0; z < depth; ++z)
      {
        hn::Store(out[z], d, slices + (z * n + y) * n * VBlock + k);
      }
    }
  }
}

/** One block of channels of all tiles; those that fill the last group are zeros. */
template <int VBlock, int VDepth, int VTile>
HWY_NOINLINE void
TransformInputs(const WinogradAccess & access,
                const float * src,
                const Tile * tiles,
                std::int64_t count,
                std::int64_t block,
                float * transformed)
{
  constexpr int depth = GetPoints(VDepth);
  constexpr int n = GetPoints(VTile);
  static constexpr float zeros[n * VBlock] = {};
  const WinogradShape & shape = access.shape;
  const std::int64_t padded = (count + winogradGroup - 1) / winogradGroup * winogradGroup;
  for (std::int64_t t = 0; t < padded; ++t)
  {
    const float * rows[depth * n] = {};
    int beginX = 0;
    int endX = 0;
    if (t < count)
    {
      const Tile & tile = tiles[t];
      const std::int64_t front = (tile.image * access.inBlocks + block) * shape.inDepth + tile.z - shape.paddingFront;
      const std::int64_t top = tile.y - shape.paddingTop;
      const std::int64_t left = tile.x - shape.paddingLeft;
      for (int z = 0; z < depth; ++z)
      {
        const bool insideZ = z >= tile.beginZ && z < tile.endZ;
        for (int y = 0; y < n; ++y)
        {
          const bool inside = insideZ && y >= tile.beginY && y < tile.endY;
          rows[z * n + y] =
            inside ? src + (((front + z) * shape.inHeight + top + y) * shape.inWidth + left) * VBlock : zeros;
        }
      }
      beginX = tile.beginX;
      endX = tile.endX;
    }
    float * to = transformed + t / winogradGroup * access.points * access.inPoint +
                 (block * winogradGroup + t % winogradGroup) * VBlock;
    if constexpr (VDepth == 1)
    {
      TransformInput<VBlock, VTile>(rows, beginX, endX, to, access.inPoint);
    }
    else
    {
      HWY_ALIGN float slices[depth * n * n * VBlock];
      TransformInputDepth<VBlock, VDepth, VTile>(rows, beginX, endX, slices);
      for (int z = 0; z < depth; ++z)
      {
        for (int y = 0; y < n; ++y)
        {
          rows[y] = slices + (z * n + y) * n * VBlock;
        }
        TransformInput<VBlock, VTile>(rows, beginX, endX, to + z * n * n * access.inPoint, access.inPoint);
      }
    }
  }
}

/** Products of one group of tiles with one panel of weights, at one point.
 * in: [channels, tile, block], weights: [channels * block, VVectors * lanes],
 * out: [blocks of the panel, tile, block]. */
template <int VBlock, int VVectors>
HWY_INLINE void
MultiplyGroup(const float * HWY_RESTRICT in,
              const float * HWY_RESTRICT weights,
              float * HWY_RESTRICT out,
              std::int64_t channels)
{
  constexpr int rows = static_cast<int>(winogradGroup);
  const BlockTag<VBlock> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(BlockTag<VBlock>()));
  V sums[rows][VVectors];
  for (auto & row : sums)
  {
    for (V & sum : row)
    {
      sum = hn::Zero(d);
    }
  }
  for (std::int64_t first = 0; first < channels; first += VBlock)
  {
    const int count = static_cast<int>(std::min<std::int64_t>(channels - first, VBlock));
    for (int k = 0; k < count; ++k)
    {
      V w[VVectors];
      for (int c = 0; c < VVectors; ++c)
      {
        w[c] = hn::LoadU(d, weights + c * lanes);
      }
      for (int r = 0; r < rows; ++r)
      {
        const V x = hn::Set(d, in[r * VBlock + k]);
        for (int c = 0; c < VVectors; ++c)
        {
          sums[r][c] = hn::MulAdd(x, w[c], sums[r][c]);
        }
      }
      weights += VVectors * lanes;
    }
    in += rows * VBlock;
  }
  for (int c = 0; c < VVectors; ++c)
  {
    float * to = out + c * lanes / VBlock * rows * VBlock + c * lanes % VBlock;
    for (int r = 0; r < rows; ++r)
    {
      hn::StoreU(sums[r][c], d, to + r * VBlock);
    }
  }
}

/** All groups with one panel, at one point. */
template <int VBlock, int VVectors>
HWY_NOINLINE void
MultiplyPanel(const WinogradAccess & access, const float * in, const float * weights, float * out, std::int64_t groups)
{
  const std::int64_t inGroup = access.points * access.inPoint;
  const std::int64_t outGroup = access.points * access.outPoint;
  for (std::int64_t g = 0; g < groups; ++g)
  {
    MultiplyGroup<VBlock, VVectors>(in + g * inGroup, weights, out + g * outGroup, access.shape.inChannels);
  }
}

template <int VBlock>
HWY_INLINE void
MultiplyPanel(const WinogradAccess & access,
              const float * in,
              const float * weights,
              float * out,
              std::int64_t groups,
              std::int64_t blocks)
{
  constexpr int lanes = static_cast<int>(hn::MaxLanes(BlockTag<VBlock>()));
  constexpr int vectors = VBlock / lanes;
  if constexpr (vectors * 4 <= panelVectors)
  {
    if (blocks == 4)
    {
      return MultiplyPanel<VBlock, vectors * 4>(access, in, weights, out, groups);
    }
    if (blocks == 3)
    {
      return MultiplyPanel<VBlock, vectors * 3>(access, in, weights, out, groups);
    }
  }
  if constexpr (vectors * 2 <= panelVectors)
  {
    if (blocks == 2)
    {
      return MultiplyPanel<VBlock, vectors * 2>(access, in, weights, out, groups);
    }
  }
  return MultiplyPanel<VBlock, vectors>(access, in, weights, out, groups);
}

/** What the result of one block of channels passes through. */
struct Output
{
  const WinogradAccess & access;
  const WinogradArguments & arguments;
  const float * channelOperands; ///< bias, then operands of one value a channel
  std::int64_t block;
};

/** Apply the post-operations to a row of a tile. offset: of its first result in
 * the block's pixels of its image. */
template <int VTile, class D, class V = hn::Vec<D>>
HWY_INLINE void
ApplyPostOperations(D d, const Output & output, const Tile & tile, std::int64_t offset, int lane, V (&values)[VTile])
{
  const WinogradAccess & access = output.access;
  const int block = access.shape.block;
  const float * channel = output.channelOperands + output.block * block + lane;
  std::size_t next = 0;
  for (const auto & post : access.postOperations)
  {
    const V alpha = hn::Set(d, post.alpha);
    const V beta = hn::Set(d, post.beta);
    const float * operand = nullptr;
    if (post.IsPerChannel())
    {
      channel += access.outBlocks * block;
      ++next;
    }
    else if (post.HasOperand())
    {
      const std::int64_t image = post.images.empty() ? tile.image : post.images[static_cast<std::size_t>(tile.image)];
      operand = output.arguments.operands[next++] +
                (image * access.outBlocks + output.block) * access.outPixels * block + offset + lane;
    }
    switch (post.kind)
    {
      case PostKind::Relu:
        for (V & x : values)
        {
          x = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
        }
        break;
      case PostKind::LeakyRelu:
        for (V & x : values)
        {
          x = hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, hn::Mul(alpha, x));
        }
        break;
      case PostKind::Clip:
        for (V & x : values)
        {
          x = hn::Min(hn::Max(x, alpha), beta);
        }
        break;
      case PostKind::Linear:
        for (V & x : values)
        {
          x = hn::MulAdd(alpha, x, beta);
        }
        break;
      case PostKind::AddChannel:
        for (V & x : values)
        {
          x = hn::Add(x, hn::LoadU(d, channel));
        }
        break;
      case PostKind::SubtractChannel:
        for (V & x : values)
        {
          x = hn::Sub(x, hn::LoadU(d, channel));
        }
        break;
      case PostKind::MultiplyChannel:
        for (V & x : values)
        {
          x = hn::Mul(x, hn::LoadU(d, channel));
        }
        break;
      case PostKind::AddValue:
        for (int x = 0; x < VTile; ++x)
        {
          if (x < tile.columns)
          {
            values[x] = hn::Add(values[x], hn::LoadU(d, operand + x * block));
          }
        }
        break;
      case PostKind::MultiplyValue:
        for (int x = 0; x < VTile; ++x)
        {
          if (x < tile.columns)
          {
            values[x] = hn::Mul(values[x], hn::LoadU(d, operand + x * block));
          }
        }
        break;
      case PostKind::GateValue:
        for (int x = 0; x < VTile; ++x)
        {
          if (x < tile.columns)
          {
            const V gate = hn::LoadU(d, operand + x * block);
            values[x] = hn::IfThenElse(hn::Gt(gate, hn::Zero(d)), values[x], hn::Mul(alpha, values[x]));
          }
        }
        break;
    }
  }
}

/** The results of one slice of a tile and one block of channels from its
 * products; those of one place are point floats apart. */
template <int VBlock, int VTile>
HWY_INLINE void
TransformOutput(
  const Output & output, const Tile & tile, std::int64_t z, const float * HWY_RESTRICT src, std::int64_t point)
{
  constexpr int n = VTile + 2;
  const BlockTag<VBlock> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(BlockTag<VBlock>()));
  const WinogradShape & shape = output.access.shape;
  const std::int64_t valid = shape.outChannels - output.block * VBlock;
  float * dst =
    output.arguments.dst + (tile.image * output.access.outBlocks + output.block) * output.access.outPixels * VBlock;
  const std::int64_t row = z * shape.outHeight + tile.y;
  for (int lane = 0; lane < VBlock; lane += lanes)
  {
    V half[VTile][n];
    for (int x = 0; x < n; ++x)
    {
      V in[n];
      V out[VTile];
      for (int y = 0; y < n; ++y)
      {
        in[y] = hn::LoadU(d, src + (y * n + x) * point + lane);
      }
      Transform<VTile>::Output(d, in, out);
      for (int y = 0; y < VTile; ++y)
      {
        half[y][x] = out[y];
      }
    }
    const V bias = hn::LoadU(d, output.channelOperands + output.block * VBlock + lane);
    for (int y = 0; y < tile.rows; ++y)
    {
      V out[VTile];
      Transform<VTile>::Output(d, half[y], out);
      for (V & x : out)
      {
        x = hn::Add(x, bias);
      }
      const std::int64_t offset = (row + y) * shape.outWidth * VBlock + tile.x * VBlock;
      ApplyPostOperations(d, output, tile, offset, lane, out);
      if (valid < VBlock)
      {
        // What fills the last block stays zero.
        const auto mask = hn::FirstN(d, static_cast<std::size_t>(std::max<std::int64_t>(valid - lane, 0)));
        for (V & x : out)
        {
          x = hn::IfThenElseZero(mask, x);
        }
      }
      float * to = dst + offset + lane;
      for (int x = 0; x < VTile; ++x)
      {
        if (x < tile.columns)
        {
          hn::StoreU(out[x], d, to + x * VBlock);
        }
      }
    }
  }
}

/** The slices of one tile and one block of channels, [depth, points, points,
 * block], from its products. */
template <int VBlock, int VDepth, int VTile>
HWY_INLINE void
TransformOutputDepth(const float * HWY_RESTRICT src, std::int64_t point, float * HWY_RESTRICT slices)
{
  constexpr int depth = GetPoints(VDepth);
  constexpr int n = GetPoints(VTile);
  const BlockTag<VBlock> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(BlockTag<VBlock>()));
  for (int i = 0; i < n * n; ++i)
  {
    for (int lane = 0; lane < VBlock; lane += lanes)
    {
      V in[depth];
      V out[VDepth];
      for (int z = 0; z < depth; ++z)
      {
        in[z] = hn::LoadU(d, src + (z * n * n + i) * point + lane);
      }
      Transform<VDepth>::Output(d, in, out);
      for (int z = 0; z < VDepth; ++z)
      {
        hn::Store(out[z], d, slices + (z * n * n + i) * VBlock + lane);
      }
    }
  }
}

template <int VBlock, int VDepth, int VTile>
HWY_NOINLINE void
TransformOutputs(const Output & output, const float * products, const Tile * tiles, std::int64_t count)
{
  constexpr int n = GetPoints(VTile);
  const std::int64_t point = output.access.outPoint;
  for (std::int64_t t = 0; t < count; ++t)
  {
    const Tile & tile = tiles[t];
    const float * from = products + t / winogradGroup * output.access.points * point +
                         (output.block * winogradGroup + t % winogradGroup) * VBlock;
    if constexpr (VDepth == 1)
    {
      TransformOutput<VBlock, VTile>(output, tile, tile.z, from, point);
    }
    else
    {
      HWY_ALIGN float slices[VDepth * n * n * VBlock];
      TransformOutputDepth<VBlock, VDepth, VTile>(from, point, slices);
      for (int z = 0; z < tile.slices; ++z)
      {
        TransformOutput<VBlock, VTile>(output, tile, tile.z + z, slices + z * n * n * VBlock, VBlock);
      }
    }
  }
}

/** Input transforms, products and output transforms of a batch of tiles. */
template <int VBlock, int VDepth, int VTile>
HWY_NOINLINE void
RunBatch(const WinogradAccess & access,
         const WinogradArguments & arguments,
         const float * channelOperands,
         std::int64_t begin,
         std::int64_t end,
         float * transformed,
         float * products)
{
  constexpr std::int64_t points = GetPoints(VDepth, VTile);
  std::array<Tile, static_cast<std::size_t>(winogradGroup * winogradMaximumGroups)> tiles;
  const std::int64_t count = end - begin;
  const std::int64_t groups = (count + winogradGroup - 1) / winogradGroup;
  for (std::int64_t t = 0; t < count; ++t)
  {
    tiles[static_cast<std::size_t>(t)] = MakeTile<VDepth, VTile>(access, begin + t);
  }
  for (std::int64_t block = 0; block < access.inBlocks; ++block)
  {
    TransformInputs<VBlock, VDepth, VTile>(access, arguments.src, tiles.data(), count, block, transformed);
  }
  const float * weights = arguments.weights;
  for (std::int64_t p = 0; p < points; ++p)
  {
    for (std::int64_t block = 0; block < access.outBlocks; block += access.panelBlocks)
    {
      const std::int64_t blocks = std::min(access.panelBlocks, access.outBlocks - block);
      MultiplyPanel<VBlock>(access,
                            transformed + p * access.inPoint,
                            weights,
                            products + p * access.outPoint + block * winogradGroup * VBlock,
                            groups,
                            blocks);
      weights += access.shape.inChannels * blocks * VBlock;
    }
  }
  for (std::int64_t block = 0; block < access.outBlocks; ++block)
  {
    TransformOutputs<VBlock, VDepth, VTile>(
      { access, arguments, channelOperands, block }, products, tiles.data(), count);
  }
}

template <int VBlock, int VDepth, int VTile>
void
Run(const WinogradConvolution & convolution,
    const WinogradArguments & arguments,
    std::int64_t begin,
    std::int64_t end,
    float * scratch)
{
  constexpr std::int64_t points = GetPoints(VDepth, VTile);
  const WinogradAccess access(convolution);
  float * transformed = scratch;
  float * products = transformed + access.groups * points * access.inPoint;
  float * channelOperands = products + access.groups * points * access.outPoint;

  // The bias and the operands of one value a channel, as long as the blocks.
  float * to = channelOperands;
  const auto append = [&](const float * values)
  {
    if (values != nullptr)
    {
      std::copy(values, values + access.shape.outChannels, to);
      std::fill(to + access.shape.outChannels, to + access.outBlocks * VBlock, 0.0F);
    }
    else
    {
      std::fill(to, to + access.outBlocks * VBlock, 0.0F);
    }
    to += access.outBlocks * VBlock;
  };
  append(arguments.bias);
  std::size_t next = 0;
  for (const auto & post : access.postOperations)
  {
    if (post.IsPerChannel())
    {
      append(arguments.operands[next]);
    }
    next += post.HasOperand() ? 1 : 0;
  }

  const std::int64_t batches = (end - begin + access.groups - 1) / access.groups;
  for (std::int64_t i = 0; i < batches; ++i)
  {
    const std::int64_t first = (begin + (end - begin) * i / batches) * winogradGroup;
    const std::int64_t last = std::min((begin + (end - begin) * (i + 1) / batches) * winogradGroup, access.tiles);
    RunBatch<VBlock, VDepth, VTile>(access, arguments, channelOperands, first, last, transformed, products);
  }
}

WinogradTarget
GetTarget(int block, int depthTile, int tile)
{
  WinogradTarget target{};
  target.name = hwy::TargetName(HWY_TARGET);
  const int lanes = static_cast<int>(block == 8 ? hn::MaxLanes(BlockTag<8>()) : hn::MaxLanes(BlockTag<16>()));
  target.panelBlocks = std::max(panelVectors * lanes / block, 1);
  if (depthTile == 2)
  {
    target.run =
      block == 8 ? (tile == 4 ? &Run<8, 2, 4> : &Run<8, 2, 2>) : (tile == 4 ? &Run<16, 2, 4> : &Run<16, 2, 2>);
  }
  else
  {
    target.run =
      block == 8 ? (tile == 4 ? &Run<8, 1, 4> : &Run<8, 1, 2>) : (tile == 4 ? &Run<16, 1, 4> : &Run<16, 1, 2>);
  }
  return target;
}
} // namespace
} // namespace HWY_NAMESPACE
} // namespace simd
} // namespace nn
} // namespace itk
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace itk
{
namespace nn
{
namespace simd
{
HWY_EXPORT(GetTarget);

namespace
{
std::size_t
GetCacheBytes()
{
  constexpr std::size_t usual = 512 * 1024;
#  if defined(_SC_LEVEL2_CACHE_SIZE)
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : usual;
#  else
  return usual;
#  endif
}

/** Its extents: "4x4". */
std::string
GetTileName(const WinogradShape & shape)
{
  const std::string tile = std::to_string(shape.tile);
  return (shape.depthTile == 1 ? "" : std::to_string(shape.depthTile) + 'x') + tile + 'x' + tile;
}

/** Of the transformed tiles of a group, before and after the products. */
std::int64_t
GetGroupBytes(const WinogradConvolution & convolution)
{
  const WinogradAccess access(convolution);
  return access.points * (access.inPoint + access.outPoint) * static_cast<std::int64_t>(sizeof(float));
}

/** Rows of G: the weights' polynomial at the points, over the points' products. */
template <int VTile>
std::array<std::array<double, 3>, static_cast<std::size_t>(VTile + 2)>
GetWeightTransform()
{
  if constexpr (VTile == 4)
  {
    const double points[] = { 0, winogradA, -winogradA, winogradB, -winogradB };
    std::array<std::array<double, 3>, 6> rows{};
    for (std::size_t i = 0; i < 5; ++i)
    {
      double scale = 1;
      for (std::size_t k = 0; k < 5; ++k)
      {
        scale *= k == i ? 1 : points[i] - points[k];
      }
      rows[i] = { { 1 / scale, points[i] / scale, points[i] * points[i] / scale } };
    }
    rows[5] = { { 0, 0, 1 } };
    return rows;
  }
  else
  {
    return { { { { -1, 0, 0 } }, { { 0.5, 0.5, 0.5 } }, { { 0.5, -0.5, 0.5 } }, { { 0, 0, 1 } } } };
  }
}

/** Output channels whose weights are transformed together. */
constexpr std::size_t packedLanes = 8;
using PackedLanes = std::array<double, packedLanes>;

/** sum += factor * value, for all lanes. */
void
AddScaled(double factor, const PackedLanes & value, PackedLanes & sum)
{
  for (std::size_t l = 0; l < packedLanes; ++l)
  {
    sum[l] += factor * value[l];
  }
}

/** The points along the depth of taps [3, 3, 3]. */
template <int VDepth>
void
TransformWeightsDepth(const PackedLanes * taps, PackedLanes (*slices)[9])
{
  const auto transform = GetWeightTransform<VDepth>();
  for (std::size_t i = 0; i < VDepth + 2; ++i)
  {
    for (std::size_t k = 0; k < 9; ++k)
    {
      slices[i][k] = {};
      for (std::size_t z = 0; z < 3; ++z)
      {
        AddScaled(transform[i][z], taps[9 * z + k], slices[i][k]);
      }
    }
  }
}

/** The points of one slice of taps [3, 3], each `stride` floats behind the one before. */
template <int VTile>
float *
TransformWeightsSlice(const PackedLanes * slice, std::int64_t lanes, std::int64_t stride, float * to)
{
  constexpr std::size_t n = GetPoints(VTile);
  const auto transform = GetWeightTransform<VTile>();
  for (std::size_t i = 0; i < n; ++i)
  {
    PackedLanes half[3] = {};
    for (std::size_t x = 0; x < 3; ++x)
    {
      for (std::size_t y = 0; y < 3; ++y)
      {
        AddScaled(transform[i][y], slice[y * 3 + x], half[x]);
      }
    }
    for (std::size_t j = 0; j < n; ++j)
    {
      PackedLanes value = {};
      for (std::size_t x = 0; x < 3; ++x)
      {
        AddScaled(transform[j][x], half[x], value);
      }
      for (std::int64_t l = 0; l < lanes; ++l)
      {
        to[l] = static_cast<float>(value[static_cast<std::size_t>(l)]);
      }
      to += stride;
    }
  }
  return to;
}

template <int VDepth, int VTile>
void
PackTransformed(const WinogradAccess & access,
                const float * weights,
                float * packed,
                WinogradConvolution::WeightOrder order,
                std::int64_t begin,
                std::int64_t end)
{
  constexpr std::size_t depth = GetPoints(VDepth);
  constexpr std::int64_t count = VDepth == 1 ? 9 : 27;
  const bool isDirect = order == WinogradConvolution::WeightOrder::Direct;
  const std::int64_t block = access.shape.block;
  const std::int64_t in = access.shape.inChannels;
  const std::int64_t out = access.outBlocks * block;
  const std::int64_t panel = access.panelBlocks * block;
  for (std::int64_t o = 0; o < out; o += packedLanes)
  {
    const std::int64_t first = o / panel * panel;
    const std::int64_t width = std::min(panel, out - first);
    const auto lanes = std::min<std::int64_t>(packedLanes, out - o);
    for (std::int64_t c = begin; c < end; ++c)
    {
      PackedLanes taps[count] = {};
      for (std::int64_t l = 0; l < lanes && o + l < access.shape.outChannels; ++l)
      {
        const float * from = weights + (isDirect ? (o + l) * in + c : c * access.shape.outChannels + o + l) * count;
        for (std::int64_t k = 0; k < count; ++k)
        {
          taps[k][static_cast<std::size_t>(l)] = from[isDirect ? k : count - 1 - k];
        }
      }
      float * to = packed + first * in + c * width + o - first;
      if constexpr (VDepth == 1)
      {
        TransformWeightsSlice<VTile>(taps, lanes, in * out, to);
      }
      else
      {
        PackedLanes slices[depth][9];
        TransformWeightsDepth<VDepth>(taps, slices);
        for (const auto & slice : slices)
        {
          to = TransformWeightsSlice<VTile>(slice, lanes, in * out, to);
        }
      }
    }
  }
}
} // namespace

WinogradConvolution::WinogradConvolution(const WinogradShape & shape,
                                         std::vector<PostOperation> postOperations,
                                         std::int64_t callers,
                                         std::size_t cacheBytes)
  : m_Shape(shape)
  , m_PostOperations(std::move(postOperations))
  , m_InBlocks((shape.inChannels + shape.block - 1) / shape.block)
  , m_OutBlocks((shape.outChannels + shape.block - 1) / shape.block)
  , m_TilesZ((shape.outDepth + shape.depthTile - 1) / shape.depthTile)
  , m_TilesY((shape.outHeight + shape.tile - 1) / shape.tile)
  , m_TilesX((shape.outWidth + shape.tile - 1) / shape.tile)
  , m_ChannelOperands(
      static_cast<std::size_t>(std::count_if(m_PostOperations.begin(),
                                             m_PostOperations.end(),
                                             [](const PostOperation & post) { return post.IsPerChannel(); })))
{
  const WinogradTarget target = HWY_DYNAMIC_DISPATCH(GetTarget)(shape.block, shape.depthTile, shape.tile);
  m_Target = target.name;
  m_Run = target.run;
  // Panels of equal width, so that none is left narrow.
  const std::int64_t panels = (m_OutBlocks + target.panelBlocks - 1) / target.panelBlocks;
  m_PanelBlocks = (m_OutBlocks + panels - 1) / panels;

  const std::int64_t groupBytes = GetGroupBytes(*this);
  const auto weightBytes = static_cast<std::int64_t>(this->GetPackedElements() * sizeof(float));
  const auto cache = static_cast<std::int64_t>(cacheBytes == 0 ? GetCacheBytes() : cacheBytes);
  const std::int64_t items = (this->GetNumberOfItems() + callers - 1) / callers;
  const std::int64_t most = std::min(std::max<std::int64_t>(items, 1), winogradMaximumGroups);
  m_WeightsStay = weightBytes < cache * 3 / 4;
  const std::int64_t budget = m_WeightsStay ? (cache - weightBytes) / 4 : cache * 3 / 4;
  m_Groups = std::min(std::max<std::int64_t>(budget / groupBytes, 1), most);
  m_TilesStay = true;
  // Where many weights pass for few tiles, less is moved when the tiles leave the cache instead.
  if (!m_WeightsStay && weightBytes / m_Groups > weightBytes / most + 2 * groupBytes)
  {
    m_Groups = most;
    m_TilesStay = false;
  }
}

std::size_t
WinogradConvolution::GetPackedElements() const
{
  return static_cast<std::size_t>(GetPoints(m_Shape.depthTile, m_Shape.tile) * m_Shape.inChannels * m_OutBlocks *
                                  m_Shape.block);
}

std::string
WinogradConvolution::GetPackingKey() const
{
  return "winograd" + GetTileName(m_Shape) + '|' + std::to_string(m_Shape.block) + '|' + std::to_string(m_PanelBlocks);
}

void
WinogradConvolution::PackWeights(const float * weights, float * packed, WeightOrder order) const
{
  this->PackWeights(weights, packed, order, 0, m_Shape.inChannels);
}

void
WinogradConvolution::PackWeights(
  const float * weights, float * packed, WeightOrder order, std::int64_t begin, std::int64_t end) const
{
  const WinogradAccess access(*this);
  if (m_Shape.depthTile == 2)
  {
    m_Shape.tile == 4 ? PackTransformed<2, 4>(access, weights, packed, order, begin, end)
                      : PackTransformed<2, 2>(access, weights, packed, order, begin, end);
  }
  else
  {
    m_Shape.tile == 4 ? PackTransformed<1, 4>(access, weights, packed, order, begin, end)
                      : PackTransformed<1, 2>(access, weights, packed, order, begin, end);
  }
}

std::int64_t
WinogradConvolution::GetNumberOfItems() const
{
  return (m_Shape.images * m_TilesZ * m_TilesY * m_TilesX + winogradGroup - 1) / winogradGroup;
}

double
WinogradConvolution::GetTrafficBytes(std::int64_t items) const
{
  const std::int64_t reads = m_WeightsStay ? 1 : (items + m_Groups - 1) / m_Groups;
  return static_cast<double>(reads) * static_cast<double>(this->GetPackedElements() * sizeof(float)) +
         (m_TilesStay ? 0 : 2) * static_cast<double>(items * GetGroupBytes(*this));
}

std::size_t
WinogradConvolution::GetScratchBytes() const
{
  const std::size_t channels = (1 + m_ChannelOperands) * static_cast<std::size_t>(m_OutBlocks * m_Shape.block);
  const auto bytes = static_cast<std::size_t>(m_Groups * GetGroupBytes(*this)) + channels * sizeof(float);
  return (bytes + 63) / 64 * 64;
}

void
WinogradConvolution::Run(const WinogradArguments & arguments,
                         std::int64_t begin,
                         std::int64_t end,
                         void * scratch) const
{
  m_Run(*this, arguments, begin, end, static_cast<float *>(scratch));
}

std::string
WinogradConvolution::GetVariant() const
{
  return std::string(m_Target) + ":f" + GetTileName(m_Shape);
}
} // namespace simd
} // namespace nn
} // namespace itk
#endif
