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
#include "itkNNAugmentation.h"

#include "itkNNPlane.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
namespace nn
{
namespace
{
constexpr double pi = 3.14159265358979323846;
constexpr std::int64_t elasticRadius = 31;
constexpr double unbounded = std::numeric_limits<double>::max();

/** A new plane of what a function makes of every pixel. */
template <typename TFunction>
Tensor
MapPixels(const char * name, const Tensor & tensor, TFunction function)
{
  RequirePlane(name, tensor);
  Tensor output = tensor.Clone();
  float * const first = output.GetData<float>();
  std::transform(first, first + output.GetNumberOfElements(), first, function);
  return output;
}

float
ClipToUnit(float value)
{
  return std::min(std::max(value, 0.0F), 1.0F);
}

/** A new plane of what a function of row and column says. */
template <typename TFunction>
Plane
MakePlane(std::int64_t height, std::int64_t width, TFunction function)
{
  Plane plane(height, width);
  for (std::int64_t y = 0; y < height; ++y)
  {
    float * row = plane.Row(y);
    for (std::int64_t x = 0; x < width; ++x)
    {
      row[x] = function(y, x);
    }
  }
  return plane;
}

Plane
SobelMagnitude(const Plane & plane)
{
  const auto clamp = [](std::int64_t i, std::int64_t extent)
  { return std::min(std::max(i, std::int64_t{ 0 }), extent - 1); };
  return MakePlane(plane.height,
                   plane.width,
                   [&](std::int64_t y, std::int64_t x)
                   {
                     const float * above = plane.Row(clamp(y - 1, plane.height));
                     const float * middle = plane.Row(y);
                     const float * below = plane.Row(clamp(y + 1, plane.height));
                     const std::int64_t left = clamp(x - 1, plane.width);
                     const std::int64_t right = clamp(x + 1, plane.width);
                     const float gx =
                       above[right] - above[left] + 2 * (middle[right] - middle[left]) + below[right] - below[left];
                     const float gy =
                       below[left] - above[left] + 2 * (below[x] - above[x]) + below[right] - above[right];
                     return std::sqrt((gx * gx + gy * gy) / 64 + 1e-6F);
                   });
}

void
RequireDisplacement(const char * name, const Tensor & tensor)
{
  itkNNRequireMacro(tensor.IsDefined() && tensor.GetRank() == 3 && tensor.GetShape()[0] == 2 &&
                      tensor.GetDataType() == DataType::Float32,
                    "The " << name << " is "
                           << (tensor.IsDefined() ? std::string(ToString(tensor.GetDataType())) + " of shape " +
                                                      ToString(tensor.GetShape())
                                                  : std::string("undefined"))
                           << "; it should be float32 of shape [2, height, width]");
}

/** Where along an axis of the input an output pixel is sampled. */
double
ElasticCoordinate(std::int64_t index, float displacement, std::int64_t extent, bool cornerAlignedGrid)
{
  const auto pixels = static_cast<double>(extent);
  const auto place = static_cast<double>(index);
  const double half = pixels / 2;
  if (!cornerAlignedGrid)
  {
    return place + displacement * half;
  }
  const double normalized = (extent > 1 ? 2 * place / (pixels - 1) - 1 : 0) + displacement;
  return (std::min(std::max(normalized, -1.0), 1.0) + 1) * half - 0.5;
}

void
RequireProbability(const char * option, double value)
{
  RequireValue(std::string("the probability of ") + option, value, 0, 1);
}

void
Check(const AugmentationOptions & options)
{
  RequireProbability("the affine transform", options.affineProbability);
  RequireProbability("brightness and contrast", options.brightnessContrastProbability);
  RequireProbability("the elastic warp", options.elasticProbability);
  RequireProbability("blur", options.blurProbability);
  RequireProbability("noise", options.noiseProbability);
  RequireProbability("sharpness", options.sharpnessProbability);
  RequireProbability("horizontal flips", options.horizontalFlipProbability);
  RequireProbability("vertical flips", options.verticalFlipProbability);
  RequireProbability("flipped intensities", options.intensityFlipProbability);
  RequireProbability("flipped labels", options.labelFlipProbability);
  RequireProbability("label edges", options.labelEdgesProbability);
  RequireRange("rotation", options.rotation, -unbounded, unbounded);
  RequireRange("scale", options.scale, 1e-3, 1e3);
  RequireValue("the maximum translation along x", options.maximumTranslationX, 0, 1);
  RequireValue("the maximum translation along y", options.maximumTranslationY, 0, 1);
  RequireRange("brightness", options.brightness, -1, 1);
  RequireRange("contrast", options.contrast, 0, unbounded);
  RequireRange("the elastic warp's alpha", options.elasticAlpha, 0, unbounded);
  RequireRange("the elastic warp's sigma", options.elasticSigma, 1e-3, 1e3);
  RequireRange("the blur's sigma", options.blurSigma, 1e-3, 1e3);
  itkNNRequireMacro(options.blurKernelSize > 0 && options.blurKernelSize % 2 == 1,
                    "The kernel size of the blur is " << options.blurKernelSize << "; it should be odd and at least 1");
  RequireRange("the noise's mean", options.noiseMean, -unbounded, unbounded);
  RequireRange("the noise's standard deviation", options.noiseStandardDeviation, 0, unbounded);
  RequireRange("sharpness", options.sharpness, 0, unbounded);
}

void
CheckExample(const TrainingExample & example, std::size_t index, const Shape * expected)
{
  RequirePlane(("image of example " + std::to_string(index)).c_str(), example.image);
  RequirePlane(("label of example " + std::to_string(index)).c_str(), example.label);
  const Shape & shape = example.image.GetShape();
  itkNNRequireMacro(example.label.GetShape() == shape,
                    "The label of example " << index << " has shape " << ToString(example.label.GetShape())
                                            << "; its image has " << ToString(shape));
  itkNNRequireMacro(expected == nullptr || *expected == shape,
                    "Example " << index << " has shape " << ToString(shape) << "; the first one has "
                               << ToString(*expected)
                               << ". Task augmentation does the same to all and needs one shape");
}

/** What is drawn for an example, or for a task. */
struct Draw
{
  bool flipHorizontally = false;
  bool flipVertically = false;
  bool flipIntensities = false;
  bool flipLabel = false;
  bool detectEdges = false;

  bool affine = false;
  double angle = 0;
  double scale = 1;
  double translationX = 0; ///< of the width
  double translationY = 0; ///< of the height

  bool adjust = false;
  bool brightnessFirst = false;
  double brightness = 0;
  double contrast = 1;

  bool elastic = false;
  double elasticAlpha = 0;
  double elasticSigma = 1;
  Tensor displacement;

  bool blur = false;
  double blurSigmaY = 1;
  double blurSigmaX = 1;

  bool sharpen = false;
  double sharpness = 1;

  bool noise = false;
  double noiseMean = 0;
  double noiseStandardDeviation = 0;
};

/** The parameters that the reference's code draws once a call. */
void
DrawCommonParameters(const AugmentationOptions & options, RandomStream & random, Draw & draw)
{
  draw.brightnessFirst = random.Chance(0.5);
  draw.brightness = options.brightness.Draw(random);
  draw.contrast = options.contrast.Draw(random);
  draw.elasticAlpha = options.elasticAlpha.Draw(random);
  draw.elasticSigma = options.elasticSigma.Draw(random);
  draw.noiseMean = options.noiseMean.Draw(random);
  draw.noiseStandardDeviation = options.noiseStandardDeviation.Draw(random);
}

void
DrawOwnParameters(const AugmentationOptions & options, RandomStream & random, Draw & draw)
{
  draw.flipHorizontally = random.Chance(options.horizontalFlipProbability);
  draw.flipVertically = random.Chance(options.verticalFlipProbability);
  draw.flipIntensities = random.Chance(options.intensityFlipProbability);
  draw.flipLabel = random.Chance(options.labelFlipProbability);
  draw.detectEdges = random.Chance(options.labelEdgesProbability);
  draw.affine = random.Chance(options.affineProbability);
  draw.adjust = random.Chance(options.brightnessContrastProbability);
  draw.elastic = random.Chance(options.elasticProbability);
  draw.blur = random.Chance(options.blurProbability);
  draw.sharpen = random.Chance(options.sharpnessProbability);
  draw.noise = random.Chance(options.noiseProbability);

  draw.angle = options.rotation.Draw(random);
  draw.scale = options.scale.Draw(random);
  draw.translationX = random.Uniform(-1, 1) * options.maximumTranslationX;
  draw.translationY = random.Uniform(-1, 1) * options.maximumTranslationY;
  draw.sharpness = options.sharpness.Draw(random);
  draw.blurSigmaY = options.blurSigma.low;
  draw.blurSigmaX = options.blurSigma.high;
  if (!options.blurSigmaIsPair)
  {
    draw.blurSigmaY = draw.blurSigmaX = options.blurSigma.Draw(random);
  }
}

Tensor
DrawDisplacement(const Draw & draw, const Shape & shape, RandomStream & random)
{
  Tensor noise({ 2, shape[0], shape[1] });
  float * const first = noise.GetData<float>();
  std::generate(
    first, first + noise.GetNumberOfElements(), [&random] { return static_cast<float>(random.Uniform(-1, 1)); });
  return SmoothDisplacement(noise, draw.elasticAlpha, draw.elasticSigma);
}

Tensor
ApplyGeometry(const Draw & draw, const AugmentationOptions & options, const Tensor & plane)
{
  Tensor output = plane;
  if (draw.flipHorizontally)
  {
    output = FlipHorizontally(output);
  }
  if (draw.flipVertically)
  {
    output = FlipVertically(output);
  }
  if (draw.affine)
  {
    const std::int64_t height = plane.GetShape()[0];
    const std::int64_t width = plane.GetShape()[1];
    output = TransformAffine(output,
                             MakeAffineMatrix(height,
                                              width,
                                              draw.angle,
                                              draw.scale,
                                              draw.translationX * static_cast<double>(width),
                                              draw.translationY * static_cast<double>(height)));
  }
  if (draw.elastic)
  {
    output = WarpElastic(output, draw.displacement, options.cornerAlignedGrid);
  }
  return output;
}

Tensor
ApplyToIntensities(const Draw & draw, const AugmentationOptions & options, const Tensor & image, RandomStream & random)
{
  Tensor output = image;
  if (draw.adjust)
  {
    output = draw.brightnessFirst ? AdjustContrast(AdjustBrightness(output, draw.brightness), draw.contrast)
                                  : AdjustBrightness(AdjustContrast(output, draw.contrast), draw.brightness);
  }
  if (draw.blur)
  {
    output = BlurGaussian(output, draw.blurSigmaY, draw.blurSigmaX, options.blurKernelSize);
  }
  if (draw.sharpen)
  {
    output = AdjustSharpness(output, draw.sharpness);
  }
  if (draw.noise)
  {
    output = AddNoise(output, draw.noiseMean, draw.noiseStandardDeviation, random);
  }
  return draw.flipIntensities ? Invert(output) : output;
}

/** All that is done to an example by itself: everything but the label operations. */
void
ApplyToExample(const Draw & draw, const AugmentationOptions & options, RandomStream & random, TrainingExample & example)
{
  example.image = ApplyToIntensities(draw, options, ApplyGeometry(draw, options, example.image), random);
  example.label = ApplyGeometry(draw, options, example.label);
}

/** `count` examples whose edges are rescaled together. */
void
ApplyToLabels(const Draw & draw, TrainingExample * examples, std::size_t count)
{
  if (draw.detectEdges)
  {
    std::vector<Tensor> labels;
    std::transform(examples,
                   examples + count,
                   std::back_inserter(labels),
                   [](const TrainingExample & example) { return example.label; });
    labels = DetectEdges(labels);
    for (std::size_t i = 0; i < count; ++i)
    {
      examples[i].label = labels[i];
    }
  }
  if (draw.flipLabel)
  {
    std::for_each(examples, examples + count, [](TrainingExample & example) { example.label = Invert(example.label); });
  }
}
} // namespace

Tensor
AdjustBrightness(const Tensor & image, double shift)
{
  const auto added = static_cast<float>(shift);
  return MapPixels("image", image, [added](float value) { return ClipToUnit(value + added); });
}

Tensor
AdjustContrast(const Tensor & image, double factor)
{
  RequireValue("the contrast's factor", factor, 0, unbounded);
  const auto scale = static_cast<float>(factor);
  return MapPixels("image", image, [scale](float value) { return ClipToUnit(value * scale); });
}

Tensor
AdjustSharpness(const Tensor & image, double factor)
{
  RequirePlane("image", image);
  RequireValue("the sharpness's factor", factor, 0, unbounded);
  const Plane input = ToPlane(image);
  const auto amount = static_cast<float>(factor);
  return ToTensor(MakePlane(input.height,
                            input.width,
                            [&input, amount](std::int64_t y, std::int64_t x)
                            {
                              const float value = input.Row(y)[x];
                              if (y == 0 || x == 0 || y + 1 == input.height || x + 1 == input.width)
                              {
                                return ClipToUnit(value);
                              }
                              float sum = 4 * value;
                              for (std::int64_t row = y - 1; row <= y + 1; ++row)
                              {
                                const float * first = input.Row(row) + x;
                                sum += first[-1] + first[0] + first[1];
                              }
                              const float smoothed = ClipToUnit(sum / 13);
                              return ClipToUnit(smoothed + amount * (value - smoothed));
                            }));
}

Tensor
BlurGaussian(const Tensor & image, double sigmaY, double sigmaX, std::int64_t kernelSize)
{
  RequirePlane("image", image);
  RequireValue("the blur's sigma along y", sigmaY, 1e-3, 1e3);
  RequireValue("the blur's sigma along x", sigmaX, 1e-3, 1e3);
  itkNNRequireMacro(kernelSize > 0 && kernelSize % 2 == 1,
                    "The kernel size of the blur is " << kernelSize << "; it should be odd and at least 1");
  const std::int64_t radius = kernelSize / 2;
  return ToTensor(
    Correlate(ToPlane(image), GaussianWeights(radius, sigmaY), GaussianWeights(radius, sigmaX), PlaneBorder::Reflect));
}

Tensor
AddNoise(const Tensor & image, double mean, double standardDeviation, RandomStream & random)
{
  RequireValue("the noise's standard deviation", standardDeviation, 0, unbounded);
  return MapPixels("image",
                   image,
                   [mean, standardDeviation, &random](float value)
                   { return value + static_cast<float>(mean + standardDeviation * random.Normal()); });
}

Tensor
Invert(const Tensor & plane)
{
  return MapPixels("plane", plane, [](float value) { return 1 - value; });
}

Tensor
FlipHorizontally(const Tensor & plane)
{
  RequirePlane("plane", plane);
  Plane output = ToPlane(plane);
  for (std::int64_t y = 0; y < output.height; ++y)
  {
    std::reverse(output.Row(y), output.Row(y) + output.width);
  }
  return ToTensor(output);
}

Tensor
FlipVertically(const Tensor & plane)
{
  RequirePlane("plane", plane);
  Plane output = ToPlane(plane);
  for (std::int64_t y = 0; y < output.height / 2; ++y)
  {
    std::swap_ranges(output.Row(y), output.Row(y) + output.width, output.Row(output.height - 1 - y));
  }
  return ToTensor(output);
}

std::vector<Tensor>
DetectEdges(const std::vector<Tensor> & labels)
{
  std::vector<Plane> edges;
  float least = std::numeric_limits<float>::max();
  float most = 0;
  for (const auto & label : labels)
  {
    RequirePlane("label", label);
    edges.push_back(SobelMagnitude(ToPlane(label)));
    const auto ends = std::minmax_element(edges.back().pixels.begin(), edges.back().pixels.end());
    least = std::min(least, *ends.first);
    most = std::max(most, *ends.second);
  }
  const float range = std::max(most - least, 1e-7F);
  std::vector<Tensor> output;
  for (auto & plane : edges)
  {
    for (float & pixel : plane.pixels)
    {
      pixel = (pixel - least) / range;
    }
    output.push_back(ToTensor(plane));
  }
  return output;
}

AffineMatrix
MakeAffineMatrix(
  std::int64_t height, std::int64_t width, double angle, double scale, double translationX, double translationY)
{
  RequireValue("the affine transform's scale", scale, 1e-3, 1e3);
  const double cosine = scale * std::cos(angle * pi / 180);
  const double sine = scale * std::sin(angle * pi / 180);
  const double centreX = static_cast<double>(width - 1) / 2;
  const double centreY = static_cast<double>(height - 1) / 2;
  return { { cosine,
             -sine,
             centreX + translationX - cosine * centreX + sine * centreY,
             sine,
             cosine,
             centreY + translationY - sine * centreX - cosine * centreY } };
}

Tensor
TransformAffine(const Tensor & plane, const AffineMatrix & matrix)
{
  RequirePlane("plane", plane);
  const double determinant = matrix[0] * matrix[4] - matrix[1] * matrix[3];
  itkNNRequireMacro(std::isfinite(1 / determinant),
                    "The determinant of an affine transform is "
                      << determinant << "; it should not be 0, as the transform has to be inverted");
  const Plane input = ToPlane(plane);
  const double xx = matrix[4] / determinant;
  const double xy = -matrix[1] / determinant;
  const double yx = -matrix[3] / determinant;
  const double yy = matrix[0] / determinant;
  return ToTensor(MakePlane(input.height,
                            input.width,
                            [&](std::int64_t y, std::int64_t x)
                            {
                              const double movedX = static_cast<double>(x) - matrix[2];
                              const double movedY = static_cast<double>(y) - matrix[5];
                              return SampleLinear(input, yx * movedX + yy * movedY, xx * movedX + xy * movedY);
                            }));
}

Tensor
SmoothDisplacement(const Tensor & noise, double alpha, double sigma)
{
  RequireDisplacement("noise", noise);
  RequireValue("the elastic warp's sigma", sigma, 1e-3, 1e3);
  std::vector<float> weights = GaussianWeights(elasticRadius, sigma);
  std::vector<float> scaled(weights.size());
  std::transform(weights.begin(),
                 weights.end(),
                 scaled.begin(),
                 [alpha](float weight) { return static_cast<float>(weight * alpha); });
  Tensor displacement(noise.GetShape());
  for (std::int64_t axis = 0; axis < 2; ++axis)
  {
    displacement.Select(0, axis).CopyFrom(
      ToTensor(Correlate(ToPlane(noise.Select(0, axis)), scaled, weights, PlaneBorder::Zero)));
  }
  return displacement;
}

Tensor
WarpElastic(const Tensor & plane, const Tensor & displacement, bool cornerAlignedGrid)
{
  RequirePlane("plane", plane);
  RequireDisplacement("displacement", displacement);
  const Plane input = ToPlane(plane);
  itkNNRequireMacro(displacement.GetShape()[1] == input.height && displacement.GetShape()[2] == input.width,
                    "The displacement has shape " << ToString(displacement.GetShape()) << "; the plane has "
                                                  << ToString(plane.GetShape()));
  const Tensor field = displacement.Contiguous();
  const float * const alongX = field.GetData<float>();
  const float * const alongY = alongX + input.height * input.width;
  return ToTensor(MakePlane(input.height,
                            input.width,
                            [&](std::int64_t y, std::int64_t x)
                            {
                              const std::int64_t pixel = y * input.width + x;
                              return SampleLinear(input,
                                                  ElasticCoordinate(y, alongY[pixel], input.height, cornerAlignedGrid),
                                                  ElasticCoordinate(x, alongX[pixel], input.width, cornerAlignedGrid));
                            }));
}

AugmentationOptions
AugmentationOptions::Task()
{
  AugmentationOptions options;
  options.scope = Scope::Task;
  options.affineProbability = 0.5;
  options.brightnessContrastProbability = 0.5;
  options.elasticProbability = 0.25;
  options.blurProbability = 0.5;
  options.noiseProbability = 0.5;
  options.sharpnessProbability = 0.5;
  options.intensityFlipProbability = 0.5;
  options.labelFlipProbability = 0.5;
  options.horizontalFlipProbability = 0.5;
  options.verticalFlipProbability = 0.5;
  options.labelEdgesProbability = 0.5;
  return options;
}

AugmentationOptions
AugmentationOptions::InTask()
{
  AugmentationOptions options;
  options.scope = Scope::InTask;
  options.affineProbability = 0.5;
  options.brightnessContrastProbability = 0.25;
  options.contrast = { 0.5, 1.5 };
  options.elasticProbability = 0.8;
  options.elasticAlpha = { 1, 2.5 };
  options.elasticSigma = { 7, 8 };
  options.blurProbability = 0.25;
  options.noiseProbability = 0.25;
  options.sharpnessProbability = 0.25;
  return options;
}

Augmentation::Augmentation(AugmentationOptions options)
  : m_Options(options)
{
  Check(m_Options);
}

void
Augmentation::Apply(RandomStream & random, std::vector<TrainingExample> & examples) const
{
  const bool perExample = m_Options.scope == AugmentationOptions::Scope::InTask;
  for (std::size_t i = 0; i < examples.size(); ++i)
  {
    const bool compare = !perExample && i > 0;
    CheckExample(examples[i], i, compare ? &examples[0].image.GetShape() : nullptr);
  }
  Draw draw;
  DrawCommonParameters(m_Options, random, draw);
  for (std::size_t i = 0; i < examples.size(); ++i)
  {
    if (perExample && !m_Options.sharedParameters)
    {
      DrawCommonParameters(m_Options, random, draw);
    }
    if (perExample || i == 0)
    {
      DrawOwnParameters(m_Options, random, draw);
      if (draw.elastic)
      {
        draw.displacement = DrawDisplacement(draw, examples[i].image.GetShape(), random);
      }
    }
    ApplyToExample(draw, m_Options, random, examples[i]);
    if (perExample)
    {
      ApplyToLabels(draw, &examples[i], 1);
    }
  }
  if (!perExample)
  {
    ApplyToLabels(draw, examples.data(), examples.size());
  }
}
} // namespace nn
} // namespace itk
