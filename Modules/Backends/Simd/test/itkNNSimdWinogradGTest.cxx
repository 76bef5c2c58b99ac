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

#include <gtest/gtest.h>
#include <hwy/aligned_allocator.h>
#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

using namespace itk::nn::simd;

namespace
{
/** Instruction sets of this machine that the kernels are made for. */
std::vector<std::int64_t>
GetTargets()
{
  std::vector<std::int64_t> targets;
  for (const std::int64_t target : { HWY_AVX3, HWY_AVX2, HWY_NEON })
  {
    if ((hwy::SupportedTargets() & target) != 0)
    {
      targets.push_back(target);
    }
  }
  targets.push_back(HWY_SCALAR | HWY_EMU128);
  return targets;
}

/** Makes the kernels use one instruction set while it lives. */
class TargetScope
{
public:
  explicit TargetScope(std::int64_t target)
  {
    hwy::SetSupportedTargetsForTest(target);
  }
  ~TargetScope()
  {
    hwy::SetSupportedTargetsForTest(0);
  }
  TargetScope(const TargetScope &) = delete;
  TargetScope & operator=(const TargetScope &) = delete;
};

struct Case
{
  std::int64_t images;
  std::int64_t inChannels;
  std::int64_t outChannels;
  std::int64_t height;
  std::int64_t width;
  std::int64_t top = 1; ///< padding
  std::int64_t bottom = 1;
  std::int64_t left = 1;
  std::int64_t right = 1;
  bool bias = true;
  std::vector<PostOperation> posts = {};
  std::int64_t depth = 0; ///< 0: weights of 3x3
  std::int64_t front = 1;
  std::int64_t back = 1;

  std::int64_t GetTaps() const
  {
    return depth == 0 ? 9 : 27;
  }
  std::int64_t GetPixels() const
  {
    return std::max<std::int64_t>(depth, 1) * height * width;
  }
};

/** A case of weights of 3x3x3. padding: front, back, top, bottom, left, right. */
Case
MakeCase3(std::int64_t images,
          std::int64_t inChannels,
          std::int64_t outChannels,
          const std::array<std::int64_t, 3> & extents,
          const std::array<std::int64_t, 6> & padding = { 1, 1, 1, 1, 1, 1 },
          bool bias = true,
          std::vector<PostOperation> posts = {})
{
  Case test{ images, inChannels, outChannels, extents[1], extents[2], padding[2], padding[3], padding[4], padding[5] };
  test.bias = bias;
  test.posts = std::move(posts);
  test.depth = extents[0];
  test.front = padding[0];
  test.back = padding[1];
  return test;
}

/** Results of an image. */
std::int64_t
GetOutPixels(const WinogradShape & shape)
{
  return shape.outDepth * shape.outHeight * shape.outWidth;
}

WinogradShape
MakeShape(const Case & test, int block, int tile)
{
  WinogradShape shape;
  shape.images = test.images;
  shape.inChannels = test.inChannels;
  shape.outChannels = test.outChannels;
  shape.inHeight = test.height;
  shape.inWidth = test.width;
  shape.outHeight = test.height + test.top + test.bottom - 2;
  shape.outWidth = test.width + test.left + test.right - 2;
  shape.paddingTop = test.top;
  shape.paddingLeft = test.left;
  shape.block = block;
  shape.tile = tile;
  if (test.depth != 0)
  {
    shape.inDepth = test.depth;
    shape.outDepth = test.depth + test.front + test.back - 2;
    shape.paddingFront = test.front;
    shape.depthTile = 2;
  }
  return shape;
}

/** [images, channels, pixels] in blocks, filled with zeros. */
std::vector<float>
ToBlocks(const std::vector<float> & plain, std::int64_t images, std::int64_t channels, std::int64_t pixels, int block)
{
  const std::int64_t blocks = (channels + block - 1) / block;
  std::vector<float> result(static_cast<std::size_t>(images * blocks * pixels * block), 0.0F);
  for (std::int64_t i = 0; i < images; ++i)
  {
    for (std::int64_t c = 0; c < channels; ++c)
    {
      for (std::int64_t p = 0; p < pixels; ++p)
      {
        result[static_cast<std::size_t>(((i * blocks + c / block) * pixels + p) * block + c % block)] =
          plain[static_cast<std::size_t>((i * channels + c) * pixels + p)];
      }
    }
  }
  return result;
}

std::vector<float>
Random(std::int64_t count, std::uint32_t seed)
{
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values(static_cast<std::size_t>(count));
  std::generate(values.begin(), values.end(), [&] { return distribution(engine); });
  return values;
}

/** Inputs of a case in plain memory. */
struct Data
{
  std::vector<float> src;
  std::vector<float> weights;
  std::vector<float> bias;
  std::vector<std::vector<float>> operands;
};

Data
MakeData(const Case & test, const WinogradShape & shape)
{
  Data data;
  data.src = Random(test.images * test.inChannels * test.GetPixels(), 1);
  data.weights = Random(test.outChannels * test.inChannels * test.GetTaps(), 2);
  data.bias = test.bias ? Random(test.outChannels, 3) : std::vector<float>();
  for (const auto & post : test.posts)
  {
    if (post.HasOperand())
    {
      const std::int64_t pixels = post.IsPerChannel() ? 1 : GetOutPixels(shape);
      const std::int64_t images = post.IsPerChannel() ? 1
                                : post.images.empty() ? test.images
                                                      : *std::max_element(post.images.begin(), post.images.end()) + 1;
      data.operands.push_back(
        Random(images * test.outChannels * pixels, static_cast<std::uint32_t>(4 + data.operands.size())));
    }
  }
  return data;
}

double
Apply(const PostOperation & post, double x, double operand)
{
  switch (post.kind)
  {
    case PostKind::Relu:
      return std::max(x, 0.0);
    case PostKind::LeakyRelu:
      return x > 0 ? x : static_cast<double>(post.alpha) * x;
    case PostKind::Clip:
      return std::min(std::max(x, static_cast<double>(post.alpha)), static_cast<double>(post.beta));
    case PostKind::Linear:
      return static_cast<double>(post.alpha) * x + static_cast<double>(post.beta);
    case PostKind::AddChannel:
    case PostKind::AddValue:
      return x + operand;
    case PostKind::SubtractChannel:
      return x - operand;
    case PostKind::GateValue:
      return operand > 0 ? x : static_cast<double>(post.alpha) * x;
    case PostKind::MultiplyChannel:
    case PostKind::MultiplyValue:
      break;
  }
  return x * operand;
}

/** The convolution in double precision, and the sums of the products' magnitudes. */
void
ConvolveInDouble(const Case & test,
                 const WinogradShape & shape,
                 const Data & data,
                 std::vector<double> & result,
                 std::vector<double> & magnitude)
{
  const std::int64_t pixels = GetOutPixels(shape);
  const std::int64_t taps = test.GetTaps();
  for (std::int64_t i = 0; i < test.images; ++i)
  {
    for (std::int64_t o = 0; o < test.outChannels; ++o)
    {
      for (std::int64_t p = 0; p < pixels; ++p)
      {
        double sum = test.bias ? static_cast<double>(data.bias[static_cast<std::size_t>(o)]) : 0.0;
        double absolute = std::abs(sum);
        for (std::int64_t c = 0; c < test.inChannels; ++c)
        {
          for (std::int64_t tap = 0; tap < taps; ++tap)
          {
            const std::int64_t z = p / shape.outWidth / shape.outHeight + tap / 9 - shape.paddingFront;
            const std::int64_t y = p / shape.outWidth % shape.outHeight + tap / 3 % 3 - test.top;
            const std::int64_t x = p % shape.outWidth + tap % 3 - test.left;
            if (z >= 0 && z < shape.inDepth && y >= 0 && y < test.height && x >= 0 && x < test.width)
            {
              const std::int64_t at = (((i * test.inChannels + c) * shape.inDepth + z) * test.height + y) * test.width;
              const double product =
                static_cast<double>(data.src[static_cast<std::size_t>(at + x)]) *
                static_cast<double>(data.weights[static_cast<std::size_t>((o * test.inChannels + c) * taps + tap)]);
              sum += product;
              absolute += std::abs(product);
            }
          }
        }
        std::size_t next = 0;
        for (const auto & post : test.posts)
        {
          double operand = 0;
          if (post.HasOperand())
          {
            const std::int64_t image = post.images.empty() ? i : post.images[static_cast<std::size_t>(i)];
            const std::int64_t at = post.IsPerChannel() ? o : (image * test.outChannels + o) * pixels + p;
            operand = static_cast<double>(data.operands[next++][static_cast<std::size_t>(at)]);
          }
          sum = Apply(post, sum, operand);
        }
        result.push_back(sum);
        magnitude.push_back(absolute);
      }
    }
  }
}

/** Runs a case by several callers and in small batches; dst is full of NaN before. */
std::vector<float>
RunCase(const Case & test, const WinogradConvolution & convolution, const Data & data, int callers)
{
  const WinogradShape & shape = convolution.GetShape();
  const std::int64_t pixels = GetOutPixels(shape);
  const auto src = ToBlocks(data.src, test.images, test.inChannels, test.GetPixels(), shape.block);
  std::vector<float> packed(convolution.GetPackedElements(), std::numeric_limits<float>::quiet_NaN());
  convolution.PackWeights(data.weights.data(), packed.data());
  std::vector<std::vector<float>> operands;
  WinogradArguments arguments;
  std::size_t next = 0;
  for (const auto & post : test.posts)
  {
    if (post.HasOperand())
    {
      const auto & plain = data.operands[next++];
      const auto images = static_cast<std::int64_t>(plain.size()) / (test.outChannels * pixels);
      operands.push_back(post.IsPerChannel() ? plain : ToBlocks(plain, images, test.outChannels, pixels, shape.block));
    }
  }
  for (const auto & operand : operands)
  {
    arguments.operands.push_back(operand.data());
  }
  const std::vector<float> none(static_cast<std::size_t>(test.images * test.outChannels * pixels), 0.0F);
  std::vector<float> dst = ToBlocks(none, test.images, test.outChannels, pixels, shape.block);
  std::fill(dst.begin(), dst.end(), std::numeric_limits<float>::quiet_NaN());
  arguments.src = src.data();
  arguments.weights = packed.data();
  arguments.bias = test.bias ? data.bias.data() : nullptr;
  arguments.dst = dst.data();
  const std::int64_t items = convolution.GetNumberOfItems();
  for (int i = callers; i-- > 0;)
  {
    const auto scratch = hwy::AllocateAligned<char>(convolution.GetScratchBytes());
    std::fill(scratch.get(), scratch.get() + convolution.GetScratchBytes(), '\xff');
    convolution.Run(arguments, items * i / callers, items * (i + 1) / callers, scratch.get());
  }
  return dst;
}

struct Errors
{
  double largest = 0; ///< of the sum of the products' magnitudes
  double rms = 0;     ///< of the results' root mean square
};

Errors
Compare(const Case & test, const WinogradShape & shape, const Data & data, const std::vector<float> & dst)
{
  std::vector<double> expected;
  std::vector<double> magnitude;
  ConvolveInDouble(test, shape, data, expected, magnitude);
  const std::int64_t pixels = GetOutPixels(shape);
  const std::int64_t blocks = (test.outChannels + shape.block - 1) / shape.block;
  Errors errors;
  double squares = 0;
  double differences = 0;
  for (std::size_t k = 0; k < dst.size(); ++k)
  {
    const auto at = static_cast<std::int64_t>(k);
    const std::int64_t image = at / (blocks * pixels * shape.block);
    const std::int64_t channel = at / (pixels * shape.block) % blocks * shape.block + at % shape.block;
    const std::int64_t pixel = at / shape.block % pixels;
    if (channel >= test.outChannels)
    {
      EXPECT_EQ(dst[k], 0) << "the filling of the last block";
      continue;
    }
    const auto plain = static_cast<std::size_t>((image * test.outChannels + channel) * pixels + pixel);
    const double difference = std::abs(static_cast<double>(dst[k]) - expected[plain]);
    EXPECT_FALSE(std::isnan(difference));
    errors.largest = std::max(errors.largest, difference / std::max(magnitude[plain], 1.0));
    differences += difference * difference;
    squares += expected[plain] * expected[plain];
  }
  errors.rms = std::sqrt(differences / squares);
  return errors;
}

/** Every instruction set, block and tile against the sums in double precision. */
void
Check(const Case & test)
{
  for (const std::int64_t target : GetTargets())
  {
    const TargetScope scope(target);
    for (const int block : { 8, 16 })
    {
      for (const int tile : { 4, 2 })
      {
        const WinogradShape shape = MakeShape(test, block, tile);
        const Data data = MakeData(test, shape);
        // One group of tiles at a time, and all that the cache takes.
        for (const std::size_t cache : { 1, 0 })
        {
          const int callers = cache == 0 ? 1 : 3;
          const WinogradConvolution convolution(shape, test.posts, callers, cache);
          const auto dst = RunCase(test, convolution, data, callers);
          EXPECT_LE(Compare(test, shape, data, dst).largest, tile == 4 ? 5e-6 : 1e-6)
            << convolution.GetVariant() << ", block " << block << ", " << test.images << " images, " << test.inChannels
            << " to " << test.outChannels << " channels, " << test.depth << " x " << test.height << " x " << test.width;
        }
      }
    }
  }
}
} // namespace

TEST(SimdWinograd, UsesTheInstructionSetAskedFor)
{
  for (const std::int64_t target : GetTargets())
  {
    const TargetScope scope(target);
    const WinogradConvolution convolution(MakeShape({ 1, 8, 8, 8, 8 }, 8, 4));
    const std::string variant = convolution.GetVariant();
    const bool isFallback = target == (HWY_SCALAR | HWY_EMU128);
    EXPECT_EQ(variant.substr(variant.find(':')), ":f4x4");
    EXPECT_TRUE(isFallback || variant.rfind(hwy::TargetName(target), 0) == 0) << variant;
  }
}

TEST(SimdWinograd, PacksInPartsAndFromTransposedWeights)
{
  for (const std::int64_t depth : { 0, 5 })
  {
    for (const int tile : { 2, 4 })
    {
      Case test{ 1, 7, 21, 8, 8 };
      test.depth = depth;
      const WinogradConvolution convolution(MakeShape(test, 8, tile));
      const std::int64_t taps = test.GetTaps();
      const auto weights = Random(test.outChannels * test.inChannels * taps, 5);
      std::vector<float> transposed(weights.size());
      for (std::int64_t o = 0; o < test.outChannels; ++o)
      {
        for (std::int64_t c = 0; c < test.inChannels; ++c)
        {
          for (std::int64_t k = 0; k < taps; ++k)
          {
            transposed[static_cast<std::size_t>((c * test.outChannels + o) * taps + taps - 1 - k)] =
              weights[static_cast<std::size_t>((o * test.inChannels + c) * taps + k)];
          }
        }
      }
      std::vector<float> packed(convolution.GetPackedElements(), 1.0F);
      convolution.PackWeights(weights.data(), packed.data());
      using Order = WinogradConvolution::WeightOrder;
      for (const auto order : { Order::Direct, Order::Transposed })
      {
        const float * from = order == Order::Direct ? weights.data() : transposed.data();
        std::vector<float> inParts(convolution.GetPackedElements(), 2.0F);
        convolution.PackWeights(from, inParts.data(), order, 4, 7);
        convolution.PackWeights(from, inParts.data(), order, 0, 4);
        EXPECT_EQ(inParts, packed);
      }
    }
  }
}

TEST(SimdWinograd, Extents)
{
  for (const std::int64_t height : { 1, 2, 3, 4, 5, 8, 9 })
  {
    for (const std::int64_t width : { 1, 4, 6, 7, 13 })
    {
      Check({ 2, 8, 8, height, width });
    }
  }
  Check({ 7, 16, 16, 8, 8 });
  Check({ 1, 8, 16, 30, 31 });
}

TEST(SimdWinograd, Channels)
{
  for (const std::int64_t in : { 1, 8, 15, 17, 40 })
  {
    for (const std::int64_t out : { 1, 7, 16, 24, 33, 48, 64, 80 })
    {
      Check({ 1, in, out, 6, 5 });
    }
  }
}

TEST(SimdWinograd, Paddings)
{
  Check({ 1, 8, 8, 7, 8, 0, 0, 0, 0 });
  Check({ 2, 8, 8, 3, 3, 0, 0, 0, 0 });
  Check({ 1, 8, 8, 5, 6, 2, 2, 2, 2 });
  Check({ 1, 8, 8, 5, 6, 0, 2, 1, 0 });
  Check({ 1, 8, 8, 6, 7, 1, 0, 0, 1 });
  Check({ 1, 8, 8, 2, 3, 9, 4, 5, 8 });
}

TEST(SimdWinograd, PostOperations)
{
  const PostOperation all[] = { { PostKind::Relu },
                                { PostKind::LeakyRelu, 0.1F },
                                { PostKind::Clip, -1, 2 },
                                { PostKind::Linear, 0.5F, -1 },
                                { PostKind::AddChannel },
                                { PostKind::SubtractChannel },
                                { PostKind::MultiplyChannel },
                                { PostKind::AddValue },
                                { PostKind::MultiplyValue },
                                { PostKind::GateValue, 0.25F },
                                { PostKind::AddValue, 0, 0, { 0, 0, 1 } } };
  for (const auto & post : all)
  {
    Check({ 3, 5, 16, 6, 7, 1, 1, 1, 1, true, { post } });
    Check({ 3, 8, 13, 5, 8, 1, 1, 1, 1, false, { post } });
  }
  Check({ 3, 8, 20, 9, 6, 1, 1, 1, 1, true, { all[4], all[1], all[8], all[5], all[3], all[7], all[6], all[2] } });
}

TEST(SimdWinograd, ErrorGrowsLittleAgainstDirectSums)
{
  const Case test{ 1, 64, 16, 16, 16 };
  for (const int tile : { 4, 2 })
  {
    const WinogradShape shape = MakeShape(test, 8, tile);
    const Data data = MakeData(test, shape);
    const WinogradConvolution convolution(shape);
    const Errors errors = Compare(test, shape, data, RunCase(test, convolution, data, 1));
    EXPECT_LE(errors.rms, tile == 4 ? 1e-6 : 3e-7);
  }
}

TEST(SimdWinograd, ReluKeepsNanAndInfinityStaysInItsTile)
{
  const Case test{ 1, 8, 8, 12, 12, 1, 1, 1, 1, true, { { PostKind::Relu } } };
  const WinogradShape shape = MakeShape(test, 8, 4);
  Data data = MakeData(test, shape);
  data.src[0] = std::numeric_limits<float>::quiet_NaN();
  const WinogradConvolution convolution(shape, test.posts);
  const auto dst = RunCase(test, convolution, data, 1);
  EXPECT_TRUE(std::isnan(dst[0]));
  EXPECT_TRUE(std::isfinite(dst[static_cast<std::size_t>((11 * 12 + 11) * 8)]));
}

TEST(SimdWinograd, ScratchFollowsTheCacheAndTheCallers)
{
  const WinogradShape shape = MakeShape({ 4, 64, 64, 64, 64 }, 16, 4);
  const WinogradConvolution small(shape, {}, 1, std::size_t{ 1 } << 19);
  const WinogradConvolution large(shape, {}, 1, std::size_t{ 1 } << 23);
  const WinogradConvolution shared(shape, {}, 1000, std::size_t{ 1 } << 23);
  EXPECT_LT(small.GetScratchBytes(), large.GetScratchBytes());
  EXPECT_LT(shared.GetScratchBytes(), small.GetScratchBytes());
  EXPECT_EQ(large.GetTrafficBytes(64), static_cast<double>(large.GetPackedElements() * sizeof(float)));
  EXPECT_GT(small.GetTrafficBytes(64), 10 * large.GetTrafficBytes(64));
  EXPECT_EQ(small.GetNumberOfItems(), large.GetNumberOfItems());
  EXPECT_EQ(small.GetPackingKey(), large.GetPackingKey());
}

TEST(SimdWinograd, ManyWeightsPassThroughTheCacheOnce)
{
  const WinogradShape shape = MakeShape({ 16, 512, 512, 8, 8 }, 16, 4);
  const WinogradConvolution convolution(shape, {}, 1, std::size_t{ 1 } << 21);
  const auto weightBytes = static_cast<double>(convolution.GetPackedElements() * sizeof(float));
  EXPECT_LT(convolution.GetTrafficBytes(convolution.GetNumberOfItems()), 2 * weightBytes);
}

TEST(SimdWinograd, VolumeExtents)
{
  for (const std::int64_t depth : { 1, 2, 3, 5 })
  {
    for (const std::int64_t width : { 1, 2, 5, 6 })
    {
      Check(MakeCase3(2, 4, 8, { depth, 3, width }));
    }
    Check(MakeCase3(1, 4, 8, { depth, 5, 9 }));
  }
}

TEST(SimdWinograd, VolumeChannels)
{
  for (const std::int64_t in : { 1, 15, 33 })
  {
    for (const std::int64_t out : { 1, 7, 24, 33, 64 })
    {
      Check(MakeCase3(1, in, out, { 3, 2, 5 }));
    }
  }
}

TEST(SimdWinograd, VolumePaddings)
{
  Check(MakeCase3(1, 8, 8, { 5, 6, 4 }, { 0, 0, 0, 0, 0, 0 }));
  Check(MakeCase3(2, 8, 8, { 3, 3, 3 }, { 0, 0, 0, 0, 0, 0 }));
  Check(MakeCase3(1, 8, 8, { 3, 4, 5 }, { 2, 2, 2, 2, 2, 2 }));
  Check(MakeCase3(1, 8, 8, { 4, 5, 6 }, { 0, 2, 1, 0, 2, 1 }));
  Check(MakeCase3(1, 8, 8, { 5, 6, 7 }, { 1, 0, 0, 1, 1, 0 }));
  Check(MakeCase3(1, 4, 8, { 2, 3, 2 }, { 3, 4, 4, 3, 6, 5 }));
}

TEST(SimdWinograd, VolumePostOperations)
{
  const PostOperation all[] = { { PostKind::Relu },
                                { PostKind::LeakyRelu, 0.1F },
                                { PostKind::Clip, -1, 2 },
                                { PostKind::Linear, 0.5F, -1 },
                                { PostKind::AddChannel },
                                { PostKind::SubtractChannel },
                                { PostKind::MultiplyChannel },
                                { PostKind::AddValue },
                                { PostKind::MultiplyValue },
                                { PostKind::AddValue, 0, 0, { 0, 0, 1 } } };
  for (const auto & post : all)
  {
    Check(MakeCase3(3, 5, 16, { 3, 2, 5 }, { 1, 1, 1, 1, 1, 1 }, true, { post }));
    Check(MakeCase3(3, 3, 13, { 2, 5, 4 }, { 1, 1, 1, 1, 1, 1 }, false, { post }));
  }
  Check(MakeCase3(3,
                  8,
                  20,
                  { 5, 3, 6 },
                  { 1, 1, 1, 1, 1, 1 },
                  true,
                  { all[4], all[1], all[8], all[5], all[3], all[7], all[6], all[2] }));
}

TEST(SimdWinograd, VolumeErrorGrowsLittleAgainstDirectSums)
{
  const Case test = MakeCase3(1, 64, 8, { 4, 8, 8 });
  for (const int tile : { 4, 2 })
  {
    const WinogradShape shape = MakeShape(test, 8, tile);
    const Data data = MakeData(test, shape);
    const WinogradConvolution convolution(shape);
    const std::string variant = convolution.GetVariant();
    EXPECT_EQ(variant.substr(variant.find(':')), tile == 4 ? ":f2x4x4" : ":f2x2x2");
    const Errors errors = Compare(test, shape, data, RunCase(test, convolution, data, 1));
    EXPECT_LE(errors.rms, tile == 4 ? 1.2e-6 : 4e-7) << errors.rms;
  }
}
