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
#include "itkNNOneDNNCommon.h"
#include "itkNNSimdReduction.h"

#include <algorithm>
#include <vector>

namespace itk
{
namespace nn
{
namespace onednn
{
namespace
{
/** Memory as [outer, kept, rows, inner], of which outer and rows are reduced. */
struct ReductionExtents
{
  std::int64_t outer = 1;
  std::int64_t kept = 1;
  std::int64_t rows = 1;
  std::int64_t inner = 1;
};

/** Whether extents and what is reduced of them can be seen so. */
bool
Summarize(const Shape & extents, const std::vector<bool> & isReduced, ReductionExtents & result)
{
  // From the last axis: kept and reduced ones in turn.
  std::int64_t * const parts[] = { &result.inner, &result.rows, &result.kept, &result.outer };
  std::size_t part = 0;
  for (std::size_t axis = extents.size(); axis-- > 0;)
  {
    if (extents[axis] == 1)
    {
      continue;
    }
    part += isReduced[axis] != (part % 2 == 1) ? 1 : 0;
    if (part >= 4)
    {
      return false;
    }
    *parts[part] *= extents[axis];
  }
  return true;
}

/** Of several values, in double precision. */
struct Moments
{
  double count = 0;
  double sum = 0;
  double squares = 0; ///< of what exceeds the mean

  /** T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating Formulae and a
   * Pairwise Algorithm for Computing Sample Variances", 1979. */
  void Add(const Moments & other)
  {
    if (count > 0)
    {
      const double difference = other.sum / other.count - sum / count;
      squares += difference * difference * count * other.count / (count + other.count);
    }
    squares += other.squares;
    sum += other.sum;
    count += other.count;
  }
};

/** \class ReductionKernel
 * \brief Sums, means and variances in one pass over memory.
 *
 * Chunks that fit a first-level cache are summed in float32, twice for
 * variances, and these sums in float64, in pieces that do not depend on the
 * number of threads. */
class ReductionKernel : public Kernel
{
public:
  ReductionKernel(ReductionFunction function, const ReductionExtents & extents, unsigned int threads)
    : m_Function(function)
    , m_Extents(extents)
    , m_Threads(threads)
    , m_IsRun(extents.inner == 1)
    , m_Tile(m_IsRun ? 1 : std::min(extents.inner, maximumTile))
    , m_Tiles((extents.inner + m_Tile - 1) / m_Tile)
    , m_ChunkRows(m_IsRun ? runLanes * maximumRows
                          : std::clamp<std::int64_t>(chunkElements / m_Tile, minimumRows, maximumRows))
    , m_Chunks((extents.rows + m_ChunkRows - 1) / m_ChunkRows)
    , m_Pieces(std::clamp<std::int64_t>(
        extents.outer * extents.rows * m_Tile / pieceElements, 1, std::min(maximumPieces, extents.outer * m_Chunks)))
    , m_IsOneChunk(!m_IsRun && extents.outer * m_Chunks == 1 && function != ReductionFunction::Variance)
  {}

  std::size_t GetScratchBytes() const override
  {
    return m_Pieces == 1 ? 0 : static_cast<std::size_t>(m_Extents.kept * m_Tiles * m_Pieces * m_Tile) * sizeof(Moments);
  }

  void Execute(const KernelArguments & arguments) const override
  {
    const auto * src = static_cast<const float *>(arguments.inputs[0]);
    auto * dst = static_cast<float *>(arguments.output);
    auto * scratch = static_cast<Moments *>(arguments.scratch);
    const std::int64_t outputs = m_Extents.kept * m_Tiles;
    Parallel(outputs * m_Pieces,
             m_Threads,
             [&](std::int64_t begin, std::int64_t end)
             {
               std::vector<Moments> own(static_cast<std::size_t>(m_Pieces == 1 ? m_Tile : 0));
               for (std::int64_t item = begin; item < end; ++item)
               {
                 if (m_IsOneChunk)
                 {
                   this->SumChunk(src, item, dst);
                   continue;
                 }
                 Moments * moments = m_Pieces == 1 ? own.data() : scratch + item * m_Tile;
                 this->Collect(src, item / m_Pieces, item % m_Pieces, moments);
                 if (m_Pieces == 1)
                 {
                   this->Write(moments, item, dst);
                 }
               }
             });
    if (m_Pieces == 1)
    {
      return;
    }
    for (std::int64_t output = 0; output < outputs; ++output)
    {
      Moments * moments = scratch + output * m_Pieces * m_Tile;
      for (std::int64_t i = m_Tile; i < m_Pieces * m_Tile; ++i)
      {
        moments[i % m_Tile].Add(moments[i]);
      }
      this->Write(moments, output, dst);
    }
  }

private:
  static constexpr std::int64_t runLanes = 16;
  static constexpr std::int64_t maximumTile = 512;
  static constexpr std::int64_t chunkElements = 8192;
  static constexpr std::int64_t minimumRows = 16;
  static constexpr std::int64_t maximumRows = 512;
  static constexpr std::int64_t pieceElements = 65536;
  static constexpr std::int64_t maximumPieces = 64;

  std::int64_t CountColumns(std::int64_t output) const
  {
    return std::min(m_Tile, m_Extents.inner - output % m_Tiles * m_Tile);
  }

  /** The first element of an output, with so many rows for each that is kept. */
  std::int64_t Locate(std::int64_t output, std::int64_t rows) const
  {
    return output / m_Tiles * rows * m_Extents.inner + output % m_Tiles * m_Tile;
  }

  /** What a piece of an output's elements comes to. */
  void Collect(const float * src, std::int64_t output, std::int64_t piece, Moments * moments) const
  {
    const std::int64_t count = this->CountColumns(output);
    std::fill_n(moments, m_Tile, Moments());
    const std::int64_t all = m_Extents.outer * m_Chunks;
    for (std::int64_t chunk = all * piece / m_Pieces; chunk < all * (piece + 1) / m_Pieces; ++chunk)
    {
      const std::int64_t first = chunk % m_Chunks * m_ChunkRows;
      const std::int64_t rows = std::min(m_ChunkRows, m_Extents.rows - first);
      const std::int64_t run = chunk / m_Chunks * m_Extents.kept + output / m_Tiles;
      const float * from = src + (run * m_Extents.rows + first) * m_Extents.inner + output % m_Tiles * m_Tile;
      if (m_IsRun)
      {
        this->AddRun(from, rows, *moments);
      }
      else
      {
        this->AddRows(from, rows, count, moments);
      }
    }
  }

  /** A sum or mean that needs no other precision. */
  void SumChunk(const float * src, std::int64_t output, float * dst) const
  {
    const std::int64_t count = this->CountColumns(output);
    float * to = dst + this->Locate(output, 1);
    simd::SumRows(src + this->Locate(output, m_Extents.rows), m_Extents.rows, m_Extents.inner, count, nullptr, to);
    if (m_Function == ReductionFunction::Mean)
    {
      const float scale = 1.0F / static_cast<float>(m_Extents.rows);
      std::transform(to, to + count, to, [scale](float x) { return x * scale; });
    }
  }

  void AddRows(const float * from, std::int64_t rows, std::int64_t count, Moments * moments) const
  {
    float sums[maximumTile];
    simd::SumRows(from, rows, m_Extents.inner, count, nullptr, sums);
    const auto n = static_cast<double>(rows);
    if (m_Function != ReductionFunction::Variance)
    {
      for (std::int64_t i = 0; i < count; ++i)
      {
        moments[i].sum += static_cast<double>(sums[i]);
        moments[i].count += n;
      }
      return;
    }
    float centres[maximumTile];
    float squares[maximumTile];
    for (std::int64_t i = 0; i < count; ++i)
    {
      centres[i] = sums[i] / static_cast<float>(rows);
    }
    simd::SumRows(from, rows, m_Extents.inner, count, centres, squares);
    for (std::int64_t i = 0; i < count; ++i)
    {
      moments[i].Add({ n, static_cast<double>(sums[i]), static_cast<double>(squares[i]) });
    }
  }

  /** Neighbouring elements, as rows and a rest. */
  static double SumRun(const float * from, std::int64_t count, const float * centre)
  {
    float centres[runLanes];
    std::fill_n(centres, runLanes, centre == nullptr ? 0.0F : *centre);
    float lanes[runLanes];
    const std::int64_t rows = count / runLanes;
    simd::SumRows(from, rows, runLanes, runLanes, centre == nullptr ? nullptr : centres, lanes);
    double sum = 0;
    for (const float lane : lanes)
    {
      sum += static_cast<double>(lane);
    }
    for (std::int64_t i = rows * runLanes; i < count; ++i)
    {
      const double x = static_cast<double>(from[i]) - static_cast<double>(centres[0]);
      sum += centre == nullptr ? x : x * x;
    }
    return sum;
  }

  void AddRun(const float * from, std::int64_t count, Moments & moments) const
  {
    Moments chunk;
    chunk.count = static_cast<double>(count);
    chunk.sum = SumRun(from, count, nullptr);
    if (m_Function == ReductionFunction::Variance)
    {
      const auto centre = static_cast<float>(chunk.sum / chunk.count);
      chunk.squares = SumRun(from, count, &centre);
    }
    moments.Add(chunk);
  }

  void Write(const Moments * moments, std::int64_t output, float * dst) const
  {
    float * to = dst + this->Locate(output, 1);
    const std::int64_t count = this->CountColumns(output);
    for (std::int64_t i = 0; i < count; ++i)
    {
      const Moments & of = moments[i];
      to[i] = static_cast<float>(m_Function == ReductionFunction::Sum    ? of.sum
                                 : m_Function == ReductionFunction::Mean ? of.sum / of.count
                                                                         : of.squares / of.count);
    }
  }

  ReductionFunction m_Function;
  ReductionExtents m_Extents;
  unsigned int m_Threads;
  bool m_IsRun; ///< nothing is kept behind the rows
  std::int64_t m_Tile;
  std::int64_t m_Tiles;
  std::int64_t m_ChunkRows;
  std::int64_t m_Chunks;
  std::int64_t m_Pieces;
  bool m_IsOneChunk;
};
} // namespace

Proposal
Propose(const Reduction & op, const OperatorCase & operatorCase)
{
  if (op.function != ReductionFunction::Sum && op.function != ReductionFunction::Mean &&
      op.function != ReductionFunction::Variance)
  {
    return Proposal::Unsupported(std::string("sums, means and variances, not ") + ToString(op.function));
  }
  const Shape & shape = operatorCase.inputs[0].type.shape;
  if (NumberOfElements(shape) == 0)
  {
    return Proposal::Unsupported("there is nothing to reduce");
  }
  std::vector<bool> isReduced(shape.size(), false);
  for (const auto axis : op.axes)
  {
    isReduced[static_cast<std::size_t>(axis)] = true;
  }
  Layout layout = operatorCase.inputs[0].layout;
  if (!layout.IsPlain() && isReduced[static_cast<std::size_t>(layout.axis)])
  {
    layout = {};
  }
  std::vector<bool> isReducedInMemory = isReduced;
  bool isPlainResult = true;
  Layout result = layout;
  if (!layout.IsPlain())
  {
    const auto channels = static_cast<std::size_t>(layout.axis);
    if (layout.kind == Layout::Kind::ChannelsLast)
    {
      isReducedInMemory.erase(isReducedInMemory.begin() + layout.axis);
    }
    isReducedInMemory.push_back(false);
    // With one pixel and full blocks the channels lie as plain ones do.
    isPlainResult = layout.GetBlock() == 0 || shape[channels] % layout.GetBlock() == 0;
    for (std::size_t axis = channels + 1; axis < shape.size(); ++axis)
    {
      isPlainResult = isPlainResult && (isReduced[axis] || shape[axis] == 1);
    }
    result.axis -=
      op.keepAxes ? 0 : static_cast<int>(std::count(isReduced.begin(), isReduced.begin() + layout.axis, true));
  }
  ReductionExtents extents;
  if (!Summarize(layout.GetPhysicalShape(shape), isReducedInMemory, extents))
  {
    return Proposal::Unsupported("the reduced axes are apart");
  }
  return Proposal::FromKernel(std::make_unique<ReductionKernel>(op.function, extents, operatorCase.threads),
                              { layout },
                              isPlainResult ? Layout{} : result);
}
} // namespace onednn
} // namespace nn
} // namespace itk
