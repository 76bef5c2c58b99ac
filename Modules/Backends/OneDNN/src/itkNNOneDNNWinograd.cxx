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
#include "itkNNSimdWinograd.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <type_traits>

namespace itk
{
namespace nn
{
namespace onednn
{
namespace
{
/** What a core does in a second, measured on layers of 16 to 256 channels. The
 * ratios decide, and differ less between machines than the rates. */
struct Rates
{
  double direct;          ///< operations of oneDNN's convolution
  double volume;          ///< the same with 3x3x3 weights, less those on padding
  double products;        ///< operations of the products of transformed tiles
  double transform;       ///< floats of transformed tiles, both transforms
  double volumeTransform; ///< the same of tiles with depth
  double memory;          ///< bytes from and to beyond the second-level cache
  double reorder;         ///< bytes read and written
  double packing;         ///< floats of transformed weights
};
constexpr Rates wideRates{ 175e9, 160e9, 190e9, 5e9, 4.2e9, 20e9, 8e9, 3e8 }; // 512 bits
constexpr Rates usualRates{ 88e9, 83e9, 95e9, 4.3e9, 2.6e9, 20e9, 8e9, 3e8 }; // 256 bits

/** Seconds that keep small layers, whose estimates are the least certain, from changing. */
constexpr double marginSeconds = 5e-6;

/** What memory is worth: seconds of a run for each byte by which weights that are
 * kept grow, from a size on that matters. */
constexpr double secondsPerByte = 0.25e-9;
constexpr double freeBytes = 8e6;

std::string
ToMilliseconds(double seconds)
{
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(3);
  out << seconds * 1e3 << " ms";
  return out.str();
}

/** Taps of 3 that meet the input, summed over the outputs of an axis. */
std::int64_t
CountTaps(std::int64_t in, std::int64_t out, std::int64_t padding)
{
  std::int64_t count = 0;
  for (std::int64_t tap = 0; tap < 3; ++tap)
  {
    const std::int64_t begin = std::max<std::int64_t>(padding - tap, 0);
    const std::int64_t end = std::min(padding - tap + in, out);
    count += std::max<std::int64_t>(end - begin, 0);
  }
  return count;
}

double
EstimateDirect(const simd::WinogradShape & shape, const Rates & rates, unsigned int threads)
{
  if (shape.depthTile > 1)
  {
    const auto products =
      static_cast<double>(shape.images * CountTaps(shape.inDepth, shape.outDepth, shape.paddingFront)) *
      static_cast<double>(CountTaps(shape.inHeight, shape.outHeight, shape.paddingTop)) *
      static_cast<double>(CountTaps(shape.inWidth, shape.outWidth, shape.paddingLeft));
    const auto channels = static_cast<double>(shape.inChannels * shape.outChannels);
    return 2 * products * channels / rates.volume / threads + 4 * 27 * channels / rates.memory;
  }
  const auto pixels = static_cast<double>(shape.images * shape.outHeight * shape.outWidth);
  const double weights = 9.0 * static_cast<double>(shape.inChannels * shape.outChannels);
  return 2 * pixels * weights / rates.direct / threads + 4 * weights / rates.memory;
}

double
EstimateWinograd(const simd::WinogradShape & shape, const Rates & rates, unsigned int threads, bool packs)
{
  const simd::WinogradConvolution convolution(shape, {}, threads);
  const auto ceil = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  // Of the thread that has most.
  const std::int64_t items = ceil(convolution.GetNumberOfItems(), threads);
  const int depth = shape.depthTile > 1 ? shape.depthTile + 2 : 1;
  const auto points =
    static_cast<double>(items * simd::WinogradConvolution::tilesPerItem * depth * (shape.tile + 2) * (shape.tile + 2));
  const std::int64_t in = ceil(shape.inChannels, shape.block) * shape.block;
  const std::int64_t out = ceil(shape.outChannels, shape.block) * shape.block;
  // Channels that do not fill the blocks come from plain memory and go there.
  const auto reordered = [&](std::int64_t channels, std::int64_t pixels)
  { return channels % shape.block == 0 ? 0.0 : 8.0 * static_cast<double>(shape.images * pixels * channels); };
  const double reorderBytes = reordered(shape.inChannels, shape.inDepth * shape.inHeight * shape.inWidth) +
                              reordered(shape.outChannels, shape.outDepth * shape.outHeight * shape.outWidth);
  const double transform = shape.depthTile > 1 ? rates.volumeTransform : rates.transform;
  const auto packed = static_cast<double>(convolution.GetPackedElements());
  const int taps = shape.depthTile > 1 ? 27 : 9;
  const double growth = sizeof(float) * (packed - static_cast<double>(taps * shape.inChannels * shape.outChannels));
  return marginSeconds + 2 * points * static_cast<double>(shape.inChannels * out) / rates.products +
         points * static_cast<double>(in + out) / transform + convolution.GetTrafficBytes(items) / rates.memory +
         reorderBytes / rates.reorder / threads +
         (packs ? packed / rates.packing / threads : secondsPerByte * std::max(growth - freeBytes, 0.0));
}

/** Which image of an operand each image of the result takes; false when the
 * operand is repeated within images. channelAxis: of the result. */
bool
MapImages(const Shape & operand, const Shape & result, int channelAxis, std::vector<std::int64_t> & images)
{
  const auto axes = static_cast<std::size_t>(channelAxis);
  const std::size_t imageAxes = result.size() - axes;
  const auto imageOf = [=](const Shape & shape) { return shape.end() - static_cast<std::ptrdiff_t>(imageAxes); };
  if (operand.size() < imageAxes || !std::equal(imageOf(operand), operand.end(), imageOf(result)))
  {
    return false;
  }
  const std::size_t added = result.size() - operand.size();
  const std::int64_t count = NumberOfElements(Shape(result.begin(), imageOf(result)));
  bool isSame = true;
  for (std::int64_t image = 0; image < count; ++image)
  {
    std::int64_t rest = image;
    std::int64_t stride = 1;
    std::int64_t source = 0;
    for (std::size_t axis = axes; axis-- > 0;)
    {
      const std::int64_t extent = axis < added ? 1 : operand[axis - added];
      source += extent == 1 ? 0 : rest % result[axis] * stride;
      stride *= extent;
      rest /= result[axis];
    }
    images.push_back(source);
    isSame = isSame && source == image;
  }
  if (isSame)
  {
    images.clear();
  }
  return true;
}

/** A post-operation for the kernel; the reason why not when it has none. */
std::string
Translate(const Unary & op, simd::PostOperation & post)
{
  post.alpha = static_cast<float>(op.alpha);
  post.beta = static_cast<float>(op.beta);
  switch (op.function)
  {
    case UnaryFunction::Relu:
      post.kind = simd::PostKind::Relu;
      return "";
    case UnaryFunction::LeakyRelu:
      post.kind = simd::PostKind::LeakyRelu;
      return "";
    case UnaryFunction::Clip:
      post.kind = simd::PostKind::Clip;
      return "";
    case UnaryFunction::Linear:
      post.kind = simd::PostKind::Linear;
      return "";
    default:
      return std::string("has no post-operation ") + ToString(op.function);
  }
}

std::string
Translate(const Binary & op, const Operand & operand, const Shape & result, int channelAxis, simd::PostOperation & post)
{
  if (op.function == BinaryFunction::Gate)
  {
    post.kind = simd::PostKind::GateValue;
    post.alpha = static_cast<float>(op.alpha);
    const bool isImage = MapImages(operand.type.shape, result, channelAxis, post.images);
    return isImage && !operand.IsConstant() ? "" : "the gate is not whole images of the result";
  }
  const bool isSum = op.function == BinaryFunction::Add;
  const bool isDifference = op.function == BinaryFunction::Subtract;
  if (!isSum && !isDifference && op.function != BinaryFunction::Multiply)
  {
    return std::string("has no post-operation ") + ToString(op.function);
  }
  if (IsPerChannel(operand.type.shape, result, channelAxis))
  {
    post.kind = isSum        ? simd::PostKind::AddChannel
              : isDifference ? simd::PostKind::SubtractChannel
                             : simd::PostKind::MultiplyChannel;
    return "";
  }
  if (isDifference)
  {
    return "subtracts one value a channel, not " + nn::ToString(operand.type.shape);
  }
  post.kind = isSum ? simd::PostKind::AddValue : simd::PostKind::MultiplyValue;
  if (!MapImages(operand.type.shape, result, channelAxis, post.images))
  {
    return "a post-operation's operand " + nn::ToString(operand.type.shape) +
           " is neither one value a channel nor whole images of the result";
  }
  return operand.IsConstant() ? "a constant operand is plain" : "";
}

using WeightOrder = simd::WinogradConvolution::WeightOrder;

class WinogradKernel : public Kernel
{
public:
  WinogradKernel(simd::WinogradConvolution convolution,
                 bool hasBias,
                 WeightOrder order,
                 const OperatorCase & operatorCase)
    : m_Convolution(std::move(convolution))
    , m_HasBias(hasBias)
    , m_Order(order)
    , m_Threads(operatorCase.threads)
    , m_Parts(std::min<std::int64_t>(operatorCase.threads, m_Convolution.GetNumberOfItems()))
  {
    const Operand & weights = operatorCase.inputs[1];
    m_Weights =
      PackConstant(weights,
                   operatorCase,
                   (order == WeightOrder::Direct ? "|simd|" : "|simd|transposed|") + m_Convolution.GetPackingKey(),
                   this->GetPackedBytes(),
                   [&](void * to)
                   { m_Convolution.PackWeights(weights.constant.GetData<float>(), static_cast<float *>(to), order); });
  }

  std::size_t GetScratchBytes() const override
  {
    return static_cast<std::size_t>(m_Parts) * m_Convolution.GetScratchBytes() +
           (m_Weights ? 0 : this->GetPackedBytes());
  }

  bool ReadsInput(std::size_t input) const override
  {
    return input != 1 || !m_Weights;
  }

  void Execute(const KernelArguments & arguments) const override
  {
    simd::WinogradArguments memory;
    memory.src = static_cast<const float *>(arguments.inputs[0]);
    auto * scratch = static_cast<char *>(arguments.scratch);
    memory.weights = static_cast<const float *>(m_Weights.get());
    if (!m_Weights)
    {
      // Behind the threads' own scratch.
      auto * packed =
        reinterpret_cast<float *>(scratch + static_cast<std::size_t>(m_Parts) * m_Convolution.GetScratchBytes());
      Parallel(
        m_Convolution.GetShape().inChannels,
        m_Threads,
        [&](std::int64_t begin, std::int64_t end)
        { m_Convolution.PackWeights(static_cast<const float *>(arguments.inputs[1]), packed, m_Order, begin, end); });
      memory.weights = packed;
    }
    memory.bias = m_HasBias ? static_cast<const float *>(arguments.inputs[2]) : nullptr;
    for (std::size_t i = m_HasBias ? 3 : 2; i < arguments.inputs.size(); ++i)
    {
      memory.operands.push_back(static_cast<const float *>(arguments.inputs[i]));
    }
    memory.dst = static_cast<float *>(arguments.output);
    const std::int64_t items = m_Convolution.GetNumberOfItems();
    Parallel(m_Parts,
             static_cast<unsigned int>(m_Parts),
             [&](std::int64_t begin, std::int64_t end)
             {
               void * own = scratch + static_cast<std::size_t>(begin) * m_Convolution.GetScratchBytes();
               m_Convolution.Run(memory, items * begin / m_Parts, items * end / m_Parts, own);
             });
  }

private:
  std::size_t GetPackedBytes() const
  {
    return m_Convolution.GetPackedElements() * sizeof(float);
  }

  simd::WinogradConvolution m_Convolution;
  std::shared_ptr<const void> m_Weights; ///< null: packed in each run
  bool m_HasBias;
  WeightOrder m_Order;
  unsigned int m_Threads;
  std::int64_t m_Parts;
};

enum class Choice : std::uint8_t
{
  Always,
  Never,
  Estimate
};

Choice
GetChoice()
{
  const char * value = std::getenv("UNIVERSEG_WINOGRAD");
  const std::string text = value == nullptr ? "" : value;
  return text == "always" ? Choice::Always : text == "never" ? Choice::Never : Choice::Estimate;
}

/** \class WinogradImplementation
 * \brief Of Convolution, and of TransposedConvolution as one with the taps in
 * reverse order. */
template <typename TOperator>
class WinogradImplementation : public Implementation
{
public:
  std::string GetName() const override
  {
    return "simd:winograd";
  }

  Proposal Propose(const OperatorCase & operatorCase) const override
  {
    const auto & given = std::get<TOperator>(operatorCase.op);
    std::string reason = GetWindowReason(given, operatorCase.inputs[1].type.shape);
    if (!reason.empty())
    {
      return Proposal::Unsupported(std::move(reason));
    }
    constexpr bool isTransposed = std::is_same<TOperator, TransposedConvolution>::value;
    constexpr WeightOrder order = isTransposed ? WeightOrder::Transposed : WeightOrder::Direct;
    const Convolution op = ToConvolution(given);
    reason = onednn::GetUnsupportedReason(operatorCase);
    const Choice choice = GetChoice();
    if (reason.empty() && choice == Choice::Never)
    {
      reason = "UNIVERSEG_WINOGRAD is never";
    }
    if (!reason.empty())
    {
      return Proposal::Unsupported(std::move(reason));
    }

    const Shape & srcShape = operatorCase.inputs[0].type.shape;
    const Shape & dstShape = operatorCase.output.shape;
    std::vector<Layout> inputLayouts(operatorCase.inputs.size());
    const auto axes = static_cast<int>(op.stride.size());
    const auto blocked = [=](const Shape & shape)
    { return Layout{ GetBlockedKind(), static_cast<int>(shape.size()) - 1 - axes }; };
    const int channelAxis = static_cast<int>(dstShape.size()) - 1 - axes;
    inputLayouts[0] = blocked(srcShape);

    std::vector<simd::PostOperation> posts;
    std::size_t next = op.hasBias ? 3 : 2;
    int inPlaceInput = -1;
    for (const auto & post : op.postOperations)
    {
      simd::PostOperation translated;
      if (const auto * unary = std::get_if<Unary>(&post.operation))
      {
        reason = Translate(*unary, translated);
      }
      else
      {
        const Operand & operand = operatorCase.inputs[next];
        reason = Translate(std::get<Binary>(post.operation), operand, dstShape, channelAxis, translated);
        if (!translated.IsPerChannel())
        {
          inputLayouts[next] = blocked(operand.type.shape);
          // Each of its elements is read just before the one of the result is written.
          const bool isWhole = translated.images.empty() && operand.type.shape == dstShape;
          inPlaceInput = isWhole ? static_cast<int>(next) : inPlaceInput;
        }
        ++next;
      }
      if (!reason.empty())
      {
        return Proposal::Unsupported(std::move(reason));
      }
      posts.push_back(std::move(translated));
    }

    simd::WinogradShape shape = MakeShape(op, srcShape, dstShape);
    shape.block = inputLayouts[0].GetBlock();
    const Rates & rates = shape.block == 16 ? wideRates : usualRates;
    shape.tile = 2;
    double seconds = EstimateWinograd(shape, rates, operatorCase.threads, !operatorCase.inputs[1].IsConstant());
    shape.tile = 4;
    const double secondsOf4 =
      EstimateWinograd(shape, rates, operatorCase.threads, !operatorCase.inputs[1].IsConstant());
    shape.tile = seconds < secondsOf4 ? 2 : 4;
    seconds = std::min(seconds, secondsOf4);
    const double direct = EstimateDirect(shape, rates, operatorCase.threads);
    // oneDNN's convolution has no operand that repeats along batch axes.
    const bool repeats =
      std::any_of(posts.begin(), posts.end(), [](const simd::PostOperation & post) { return !post.images.empty(); });
    if (choice == Choice::Estimate && seconds >= direct && !repeats)
    {
      return Proposal::Unsupported("the cost model expects " + ToMilliseconds(seconds) + ", direct " +
                                   ToMilliseconds(direct));
    }

    simd::WinogradConvolution convolution(shape, std::move(posts), operatorCase.threads);
    const std::string detail = convolution.GetVariant();
    Proposal proposal =
      Proposal::FromKernel(std::make_unique<WinogradKernel>(std::move(convolution), op.hasBias, order, operatorCase),
                           std::move(inputLayouts),
                           blocked(dstShape));
    proposal.detail = detail;
    proposal.inPlaceInput = inPlaceInput;
    return proposal;
  }

private:
  /** All but the block and the tile of an image. */
  static simd::WinogradShape MakeShape(const Convolution & op, const Shape & src, const Shape & dst)
  {
    const auto axes = static_cast<std::ptrdiff_t>(op.stride.size());
    const auto channels = [=](const Shape & shape) { return shape.end() - 1 - axes; };
    simd::WinogradShape shape;
    shape.images = NumberOfElements(Shape(dst.begin(), channels(dst)));
    shape.inChannels = *channels(src);
    shape.outChannels = *channels(dst);
    shape.inHeight = *(src.end() - 2);
    shape.inWidth = *(src.end() - 1);
    shape.outHeight = *(dst.end() - 2);
    shape.outWidth = *(dst.end() - 1);
    shape.paddingTop = *(op.padding.end() - 2);
    shape.paddingLeft = *(op.padding.end() - 1);
    if (axes == 3)
    {
      shape.inDepth = *(src.end() - 3);
      shape.outDepth = *(dst.end() - 3);
      shape.paddingFront = op.padding[0];
      shape.depthTile = 2;
    }
    return shape;
  }

  /** Why a window is not one for the kernel; empty when it is. */
  static std::string GetWindowReason(const TOperator & op, const Shape & weights)
  {
    const auto isAll = [](const std::vector<std::int64_t> & values, std::int64_t value)
    { return std::all_of(values.begin(), values.end(), [=](std::int64_t v) { return v == value; }); };
    const Shape kernel(weights.begin() + 2, weights.end());
    if (kernel.size() < 2 || kernel.size() > 3 || !isAll(kernel, 3))
    {
      return "kernels of 3 by 3 or 3 by 3 by 3, not " + nn::ToString(kernel);
    }
    if (!isAll(op.stride, 1) || !isAll(op.dilation, 1) || op.groups != 1)
    {
      return "neither stride nor dilation nor groups";
    }
    // The adjoint of more padding leaves out some of its input.
    const bool isPadded = std::is_same<TOperator, TransposedConvolution>::value &&
                          std::any_of(op.padding.begin(), op.padding.end(), [](std::int64_t v) { return v > 2; });
    return isPadded ? "padding of at most 2, not " + nn::ToString(op.padding) : "";
  }

  static Convolution ToConvolution(const Convolution & op)
  {
    return op;
  }
  static Convolution ToConvolution(const TransposedConvolution & op)
  {
    Convolution convolution;
    convolution.stride = op.stride;
    for (const auto padding : op.padding)
    {
      convolution.padding.push_back(2 - padding);
    }
    convolution.postOperations = op.postOperations;
    return convolution;
  }
};
} // namespace

const Implementation &
GetWinogradImplementation()
{
  static const WinogradImplementation<Convolution> implementation;
  return implementation;
}

const Implementation &
GetTransposedWinogradImplementation()
{
  static const WinogradImplementation<TransposedConvolution> implementation;
  return implementation;
}
} // namespace onednn
} // namespace nn
} // namespace itk
