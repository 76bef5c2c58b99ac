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
#include "itkSpatialDeformationImageFilter.h"

#include "itkCommand.h"
#include "itkFilteringTestHelpers.h"
#include "itkMath.h"
#include "itkNNPythonRandom.h"
#include "itkNNTestDeformations.h"
#include "itkNNTestTargets.h"
#include "itkStreamingImageFilter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <sstream>

using namespace itk::test;
using itk::nn::DrawnSpatialDeformation;
using itk::nn::Shape;
using itk::nn::SpatialDeformation;
using itk::nn::SpatialDeformationRunner;
using itk::nn::Tensor;
using itk::nn::TensorMap;
using itk::nn::test::GoldenCase;
using itk::nn::test::Target;
using ImageType = itk::Image<float, 3>;
using LabelType = itk::Image<unsigned char, 3>;
using FilterType = itk::SpatialDeformationImageFilter<ImageType>;

namespace
{
template <typename TImage = ImageType>
typename TImage::Pointer
MakeNoise(const typename TImage::SizeType & size, std::uint64_t seed, const typename TImage::IndexType & index = {})
{
  const auto image = MakeImage<TImage>(size, index);
  Random random(seed);
  std::generate_n(
    image->GetBufferPointer(), image->GetLargestPossibleRegion().GetNumberOfPixels(), [&random] { return random(); });
  return image;
}

/** Slowest axis first. */
template <typename TImage>
typename TImage::Pointer
ToImage(const Tensor & tensor)
{
  typename TImage::SizeType size;
  for (unsigned int axis = 0; axis < TImage::ImageDimension; ++axis)
  {
    size[axis] = static_cast<itk::SizeValueType>(tensor.GetShape()[TImage::ImageDimension - 1 - axis]);
  }
  const auto image = MakeImage<TImage>(size);
  const auto values = tensor.ToVector<float>();
  std::transform(values.begin(),
                 values.end(),
                 image->GetBufferPointer(),
                 [](float value) { return static_cast<typename TImage::PixelType>(value); });
  return image;
}

/** All components of a vector or array. */
template <typename TArray>
TArray
Fill(typename TArray::ValueType value)
{
  TArray result;
  result.Fill(value);
  return result;
}

FilterType::OffsetType
MakeOffset(double x, double y, double z)
{
  const double components[] = { x, y, z };
  return FilterType::OffsetType(components);
}

/** All kinds of operations, so that no two axes are treated alike. */
void
AppendAll(FilterType * filter, double probability = 1)
{
  auto axes = Fill<FilterType::FlipAxesType>(false);
  axes[1] = true;
  filter->AppendScale(0.9, probability);
  filter->AppendFlip(axes, probability);
  filter->AppendElastic(2, 6, probability);
  filter->AppendTranslate(MakeOffset(0.5, -1.25, 2.0), probability);
  filter->AppendRotate(Fill<FilterType::AnglesType>(0.2), probability);
}

FilterType::Pointer
MakeFilter()
{
  const auto filter = FilterType::New();
  filter->SetInput(MakeNoise({ { 14, 12, 10 } }, 1));
  filter->SetBoundary("mirror");
  filter->SetSeed(11);
  AppendAll(filter);
  return filter;
}

void
ExpectNear(const std::vector<double> & actual, const std::vector<double> & expected, double tolerance)
{
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
  {
    ASSERT_NEAR(actual[i], expected[i], tolerance) << "pixel " << i;
  }
}

/** The nearest and the linear values of a golden case, image and label sampled at once. */
struct Values
{
  std::vector<double> image;
  std::vector<double> label;
};

/** As the filter does it, operations in the order of ITK's axes. */
template <unsigned int VDimension>
Values
DeformByFilter(const GoldenCase & golden, const Target & target, const std::string & boundary, bool rules)
{
  using Image = itk::Image<float, VDimension>;
  using Filter = itk::SpatialDeformationImageFilter<Image>;
  const auto filter = Filter::New();
  for (const auto & operation : golden.deformation.operations)
  {
    if (const auto * scale = std::get_if<SpatialDeformation::Scale>(&operation))
    {
      filter->AppendScale(scale->factor);
    }
    else if (const auto * flip = std::get_if<SpatialDeformation::Flip>(&operation))
    {
      auto axes = Fill<typename Filter::FlipAxesType>(false);
      for (const int axis : flip->axes)
      {
        axes[VDimension - 1 - static_cast<unsigned int>(axis)] = true;
      }
      filter->AppendFlip(axes);
    }
    else if (const auto * translate = std::get_if<SpatialDeformation::Translate>(&operation))
    {
      typename Filter::OffsetType offset;
      std::copy(translate->offset.rbegin(), translate->offset.rend(), offset.Begin());
      filter->AppendTranslate(offset);
    }
    else
    {
      const auto & rotate = std::get<SpatialDeformation::Rotate>(operation);
      typename Filter::AnglesType angles;
      std::copy(rotate.angles.rbegin(), rotate.angles.rend(), angles.Begin());
      filter->AppendRotate(angles);
    }
  }
  filter->SetInput(ToImage<Image>(golden.tensors.Get("image")));
  filter->SetLabelImage(ToImage<itk::Image<unsigned char, VDimension>>(golden.tensors.Get("label")).GetPointer());
  filter->SetBoundary(boundary);
  filter->SetDefaultPixelValue(static_cast<float>(golden.value));
  filter->SetDefaultLabel(static_cast<unsigned char>(std::max(golden.value, 0.0)));
  filter->SetCudaSpatialDeformRules(rules);
  filter->SetBackend(target.backend);
  filter->SetDevice(target.device.ToText());
  filter->SetPrecision(ToString(target.precision));
  filter->Update();
  return { GetPixels(filter->GetOutput()), GetPixels(filter->GetLabelOutput()) };
}

/** With the noise of the golden. */
Values
DeformByRunner(const GoldenCase & golden, const Target & target, const std::string & boundary, bool rules)
{
  SpatialDeformationRunner runner;
  runner.SetComputation(target.backend, target.device.ToText(), ToString(target.precision), 2);
  DrawnSpatialDeformation drawn{ golden.deformation, {} };
  const TensorMap inputs = golden.MakeInputs();
  for (const auto & [name, tensor] : inputs)
  {
    if (name == "noise0")
    {
      drawn.noise.push_back(tensor);
    }
  }
  const auto mode = itk::nn::GetBoundaryMode(boundary);
  const itk::nn::Sampling linear{ itk::nn::InterpolationMode::Linear, mode, golden.value, rules };
  const itk::nn::Sampling nearest{ itk::nn::InterpolationMode::Nearest, mode, std::max(golden.value, 0.0), rules };
  const auto results = runner.Run(drawn,
                                  golden.size,
                                  { { "image", 1, 1, linear }, { "label", 1, 1, nearest } },
                                  { { "image", itk::nn::test::WithAxes(golden.tensors.Get("image"), { 1, 1 }) },
                                    { "label", itk::nn::test::WithAxes(golden.tensors.Get("label"), { 1, 1 }) } });
  return { results.at("image").ToVector<double>(), results.at("label").ToVector<double>() };
}

/** Whether a coordinate is so near to where values jump, half between two pixels or the
 * borders and their periodic images, that its rounding decides. */
bool
IsNearJump(double coordinate, std::int64_t size, bool isNearest)
{
  const auto isNear = [coordinate](double place) { return std::abs(coordinate - place) < 1e-4; };
  const double whole = std::round(coordinate);
  const bool isOutside = whole <= 0 || whole >= static_cast<double>(size - 1);
  return (isNearest && isNear(std::floor(coordinate) + 0.5)) || (isOutside && isNear(whole));
}

/** Compare with both samplers; \return how many values were compared. */
std::size_t
CompareWithGolden(const GoldenCase & golden, const Target & target, const std::string & boundary, bool rules)
{
  const bool isElastic = golden.tensors.Has("noise");
  const Values values = isElastic               ? DeformByRunner(golden, target, boundary, rules)
                      : golden.size.size() == 2 ? DeformByFilter<2>(golden, target, boundary, rules)
                                                : DeformByFilter<3>(golden, target, boundary, rules);
  const std::string name = std::string(rules ? "csd." : "scipy.") + boundary;
  const auto linear = golden.tensors.Get(name + ".o1").ToVector<double>();
  const auto nearest = golden.tensors.Get(name + ".o0").ToVector<double>();
  const auto coordinates = golden.tensors.Get("coords").ToVector<double>();
  // These are exact in float, so that rounding decides nothing.
  const bool isExact =
    std::all_of(coordinates.begin(), coordinates.end(), [](double c) { return std::floor(8 * c) == 8 * c; });
  // SciPy goes down from half between two pixels where it has mirrored the coordinate.
  const bool hasTies = name == "scipy.mirror";
  std::size_t compared = 0;
  const std::size_t pixels = linear.size();
  EXPECT_EQ(values.image.size(), pixels);
  EXPECT_EQ(values.label.size(), pixels);
  for (std::size_t i = 0; i < pixels; ++i)
  {
    bool isLinearClear = true;
    bool isNearestClear = true;
    for (std::size_t d = 0; d < golden.size.size(); ++d)
    {
      const double c = coordinates[d * pixels + i];
      isLinearClear = isLinearClear && (isExact || !IsNearJump(c, golden.size[d], false));
      isNearestClear = isNearestClear && ((isExact && !hasTies) || !IsNearJump(c, golden.size[d], true));
    }
    if (isLinearClear)
    {
      EXPECT_NEAR(values.image[i], linear[i], 2e-4) << name << " pixel " << i;
      ++compared;
    }
    // Labels are not negative, as some of the goldens' values outside are.
    if (isNearestClear && nearest[i] >= 0)
    {
      EXPECT_EQ(values.label[i], nearest[i]) << name << " label " << i;
      ++compared;
    }
  }
  return compared;
}
} // namespace

TEST(SpatialDeformationImageFilter, AgreesWithTheGoldens)
{
  const auto cases = itk::nn::test::ReadGoldenCases();
  if (cases.empty())
  {
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR, the folder of all golden vectors, is not set";
  }
  std::size_t compared = 0;
  std::size_t all = 0;
  for (const auto & target : itk::nn::test::GetTargets())
  {
    for (const auto & golden : cases)
    {
      SCOPED_TRACE(golden.name + " by " + target.backend + " in " + ToString(target.precision));
      for (const std::string boundary : { "constant", "reflect", "mirror", "nearest", "wrap" })
      {
        for (const bool rules : { false, true })
        {
          compared += CompareWithGolden(golden, target, boundary, rules);
          all += 2 * static_cast<std::size_t>(itk::nn::NumberOfElements(golden.size));
        }
      }
    }
  }
  EXPECT_GT(static_cast<double>(compared), 0.9 * static_cast<double>(all));
}

TEST(SpatialDeformationImageFilter, ModalitiesAndLabelsMoveTogether)
{
  for (const auto & target : itk::nn::test::GetTargets())
  {
    SCOPED_TRACE(target.backend + " in " + ToString(target.precision));
    const auto filter = MakeFilter();
    filter->SetBackend(target.backend);
    filter->SetDevice(target.device.ToText());
    filter->SetPrecision(ToString(target.precision));
    const ImageType * first = filter->GetInput();
    const auto second = MakeImage<ImageType>(first->GetLargestPossibleRegion().GetSize());
    const auto labels = MakeImage<LabelType>(first->GetLargestPossibleRegion().GetSize());
    const auto count = first->GetLargestPossibleRegion().GetNumberOfPixels();
    for (itk::SizeValueType i = 0; i < count; ++i)
    {
      const float value = first->GetBufferPointer()[i];
      second->GetBufferPointer()[i] = 3 * value - 2;
      labels->GetBufferPointer()[i] = static_cast<unsigned char>(100 + 100 * value);
    }
    filter->SetInput(1, second);
    filter->SetLabelImage(labels);
    filter->Update();
    EXPECT_EQ(filter->GetDoneOperations(),
              (std::vector<std::string>{ "scale", "flip", "elastic", "translate", "rotate" }));
    auto expected = GetPixels(filter->GetOutput());
    EXPECT_NE(expected, GetPixels(first));
    std::transform(expected.begin(), expected.end(), expected.begin(), [](double value) { return 3 * value - 2; });
    ExpectNear(GetPixels(filter->GetOutput(1)), expected, 1e-5);

    // The labels are those of the nearest pixels of the image itself.
    filter->SetInterpolation("nearest");
    filter->Update();
    auto nearest = GetPixels(filter->GetOutput());
    std::transform(nearest.begin(),
                   nearest.end(),
                   nearest.begin(),
                   [](double value)
                   { return static_cast<double>(static_cast<unsigned char>(100 + 100 * static_cast<float>(value))); });
    EXPECT_EQ(GetPixels(filter->GetLabelOutput()), nearest);

    // Alone each goes the same way.
    const auto alone = MakeFilter();
    alone->SetBackend(target.backend);
    alone->SetDevice(target.device.ToText());
    alone->SetPrecision(ToString(target.precision));
    alone->SetInput(second);
    alone->Update();
    ExpectNear(GetPixels(alone->GetOutput()), expected, 1e-5);
  }
}

namespace
{
/** Where the pixel at an index comes from, clamped to the image. */
void
ExpectMoved(FilterType * filter, const std::function<ImageType::IndexType(const ImageType::IndexType & to)> & from)
{
  filter->SetBoundary("nearest");
  filter->Update();
  const ImageType * image = filter->GetInput();
  const auto size = image->GetLargestPossibleRegion().GetSize();
  std::vector<double> expected;
  for (itk::ImageRegionConstIteratorWithIndex<ImageType> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd();
       ++it)
  {
    auto index = from(it.GetIndex());
    for (unsigned int axis = 0; axis < 3; ++axis)
    {
      index[axis] = std::min<itk::IndexValueType>(std::max<itk::IndexValueType>(index[axis], 0), size[axis] - 1);
    }
    expected.push_back(image->GetPixel(index));
  }
  ExpectNear(GetPixels(filter->GetOutput()), expected, 1e-5);
}
} // namespace

TEST(SpatialDeformationImageFilter, OperationsAreInTheOrderOfTheAxes)
{
  using Index = ImageType::IndexType;
  const auto make = []
  {
    const auto filter = FilterType::New();
    filter->SetInput(MakeNoise({ { 10, 8, 6 } }, 3));
    return filter;
  };
  auto filter = make();
  ExpectMoved(filter, [](const Index & to) { return to; });
  EXPECT_TRUE(filter->GetDoneOperations().empty());

  filter = make();
  filter->AppendTranslate(MakeOffset(3.0, -2.0, 1.0));
  ExpectMoved(filter, [](const Index & to) { return Index{ { to[0] + 3, to[1] - 2, to[2] + 1 } }; });

  filter = make();
  auto axes = Fill<FilterType::FlipAxesType>(false);
  axes[0] = true;
  filter->AppendFlip(axes);
  ExpectMoved(filter, [](const Index & to) { return Index{ { 9 - to[0], to[1], to[2] } }; });

  filter = make();
  filter->AppendScale(2);
  ExpectMoved(filter, [](const Index & to) { return Index{ { 2 * to[0] - 5, 2 * to[1] - 4, 2 * to[2] - 3 } }; });

  // A quarter of a turn: x goes to y, y to z, z to x.
  const std::function<Index(const Index &)> quarters[] = {
    [](const Index & to) { return Index{ { to[0], 4 - (to[2] - 3), 3 + (to[1] - 4) } }; },
    [](const Index & to) { return Index{ { 5 + (to[2] - 3), to[1], 3 - (to[0] - 5) } }; },
    [](const Index & to) { return Index{ { 5 - (to[1] - 4), 4 + (to[0] - 5), to[2] } }; },
  };
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    filter = make();
    auto angles = Fill<FilterType::AnglesType>(0);
    angles[axis] = itk::Math::pi_over_2;
    filter->AppendRotate(angles);
    ExpectMoved(filter, quarters[axis]);
  }
  // About z before y before x.
  filter = make();
  filter->AppendRotate(Fill<FilterType::AnglesType>(itk::Math::pi_over_2));
  ExpectMoved(filter, [](const Index & to) { return Index{ { 5 + (to[2] - 3), 4 - (to[1] - 4), 3 + (to[0] - 5) } }; });

  // The order of appending counts.
  filter = make();
  filter->AppendTranslate(MakeOffset(1.0, 0.0, 0.0));
  filter->AppendScale(2);
  ExpectMoved(filter, [](const Index & to) { return Index{ { 2 * to[0] - 3, 2 * to[1] - 4, 2 * to[2] - 3 } }; });
  filter->ClearOperations();
  filter->AppendScale(2);
  filter->AppendTranslate(MakeOffset(1.0, 0.0, 0.0));
  ExpectMoved(filter, [](const Index & to) { return Index{ { 2 * to[0] - 4, 2 * to[1] - 4, 2 * to[2] - 3 } }; });
}

TEST(SpatialDeformationImageFilter, TwoDimensionsAndIntegers)
{
  using PictureType = itk::Image<unsigned char, 2>;
  using PictureFilterType = itk::SpatialDeformationImageFilter<PictureType, itk::Image<short, 2>>;
  const auto picture = MakeImage<PictureType>({ { 4, 3 } });
  const unsigned char pixels[] = { 0, 255, 10, 11, 1, 2, 4, 7, 9, 9, 8, 0 };
  std::copy(std::begin(pixels), std::end(pixels), picture->GetBufferPointer());
  const auto filter = PictureFilterType::New();
  filter->SetInput(picture);
  auto offset = Fill<PictureFilterType::OffsetType>(0);
  offset[0] = 0.5;
  filter->AppendTranslate(offset);
  filter->SetDefaultPixelValue(77);
  const auto labels = MakeImage<itk::Image<short, 2>>({ { 4, 3 } });
  std::copy(std::begin(pixels), std::end(pixels), labels->GetBufferPointer());
  labels->SetPixel({ { 1, 0 } }, -300);
  filter->SetLabelImage(labels);
  filter->SetDefaultLabel(-5);
  filter->Update();
  // Halves are rounded up.
  EXPECT_EQ(GetPixels(filter->GetOutput()), (std::vector<double>{ 128, 133, 11, 77, 2, 3, 6, 77, 9, 9, 4, 77 }));
  EXPECT_EQ(GetPixels(filter->GetLabelOutput()), (std::vector<double>{ -300, 10, 11, -5, 2, 4, 7, -5, 9, 8, 0, -5 }));

  // A quarter of a turn, from x towards y.
  filter->ClearOperations();
  filter->AppendRotate(Fill<PictureFilterType::AnglesType>(itk::Math::pi_over_2));
  filter->SetInput(MakeImage<PictureType>({ { 4, 4 } }));
  filter->SetLabelImage(nullptr);
  const auto & square = const_cast<PictureType *>(filter->GetInput());
  square->SetPixel({ { 1, 3 } }, 200);
  filter->SetBoundary("nearest");
  filter->Update();
  EXPECT_EQ(filter->GetOutput()->GetPixel({ { 3, 3 } }), 200);
  EXPECT_EQ(GetPixels(filter->GetOutput()).size() -
              static_cast<std::size_t>(
                std::count(filter->GetOutput()->GetBufferPointer(), filter->GetOutput()->GetBufferPointer() + 16, 0)),
            1U);

  using LargeType = itk::Image<unsigned int, 2>;
  const auto large = itk::SpatialDeformationImageFilter<LargeType>::New();
  const auto most = MakeImage<LargeType>({ { 3, 3 } });
  most->FillBuffer(std::numeric_limits<unsigned int>::max());
  large->SetInput(most);
  large->Update();
  EXPECT_EQ(GetPixels(large->GetOutput()), GetPixels(most.GetPointer())) << "rounded up in float32, and kept within";
}

TEST(SpatialDeformationImageFilter, LabelsOfManyDigits)
{
  using LargeType = itk::Image<int, 3>;
  const auto filter = itk::SpatialDeformationImageFilter<ImageType, LargeType>::New();
  filter->SetInput(MakeImage<ImageType>({ { 3, 2, 2 } }));
  const auto labels = MakeImage<LargeType>({ { 3, 2, 2 } });
  labels->SetPixel({ { 2, 1, 1 } }, 1 << 24);
  filter->SetLabelImage(labels);
  filter->Update();
  EXPECT_EQ(GetPixels(filter->GetLabelOutput()), GetPixels(labels.GetPointer()));
  for (const int label : { (1 << 24) + 1, std::numeric_limits<int>::max() })
  {
    labels->SetPixel({ { 2, 1, 1 } }, label);
    labels->Modified();
    filter->SetPrecision("float32");
    EXPECT_ERROR(filter->Update(), "the label at index [2, 1, 1] is " + std::to_string(label) + "; should be");
    filter->SetPrecision("float64");
    filter->Update();
    EXPECT_EQ(filter->GetLabelOutput()->GetPixel({ { 2, 1, 1 } }), label);
  }
}

TEST(SpatialDeformationImageFilter, GeometryAndRegions)
{
  const ImageType::IndexType index{ { 3, -4, 20 } };
  const double spacing[] = { 0.5, 2.0, 3.0 };
  const double origin[] = { 7.0, 8.0, 9.0 };
  ImageType::DirectionType direction;
  direction.SetIdentity();
  direction(0, 0) = direction(1, 1) = 0;
  direction(0, 1) = -1;
  direction(1, 0) = 1;
  const auto filter = MakeFilter();
  filter->SetInput(0, MakeNoise({ { 14, 12, 10 } }, 1, index));
  filter->SetInput(1, MakeNoise({ { 14, 12, 10 } }, 2, index));
  filter->SetLabelImage(MakeImage<LabelType>({ { 14, 12, 10 } }, index));
  for (itk::ImageBase<3> * input :
       { static_cast<itk::ImageBase<3> *>(const_cast<ImageType *>(filter->GetInput(0))),
         static_cast<itk::ImageBase<3> *>(const_cast<ImageType *>(filter->GetInput(1))),
         static_cast<itk::ImageBase<3> *>(const_cast<LabelType *>(filter->GetLabelImage())) })
  {
    input->SetSpacing(spacing);
    input->SetOrigin(origin);
    input->SetDirection(direction);
  }
  filter->Update();
  for (const itk::ImageBase<3> * output : { static_cast<itk::ImageBase<3> *>(filter->GetOutput(0)),
                                            static_cast<itk::ImageBase<3> *>(filter->GetOutput(1)),
                                            static_cast<itk::ImageBase<3> *>(filter->GetLabelOutput()) })
  {
    EXPECT_EQ(output->GetBufferedRegion(), filter->GetInput()->GetLargestPossibleRegion());
    EXPECT_EQ(output->GetLargestPossibleRegion(), filter->GetInput()->GetLargestPossibleRegion());
    EXPECT_EQ(output->GetSpacing(), filter->GetInput()->GetSpacing());
    EXPECT_EQ(output->GetOrigin(), filter->GetInput()->GetOrigin());
    EXPECT_EQ(output->GetDirection(), filter->GetInput()->GetDirection());
  }
  const auto whole = GetPixels(filter->GetOutput());
  const auto atZero = MakeFilter();
  atZero->Update();
  EXPECT_EQ(GetPixels(atZero->GetOutput()), whole) << "neither geometry nor where the image begins matters";

  const auto streaming = itk::StreamingImageFilter<ImageType, ImageType>::New();
  streaming->SetInput(filter->GetOutput());
  streaming->SetNumberOfStreamDivisions(5);
  filter->Modified();
  streaming->Update();
  EXPECT_EQ(GetPixels(streaming->GetOutput()), whole);

  // A request for a part of one output makes all of every output.
  const auto part = MakeFilter();
  part->SetLabelImage(MakeImage<LabelType>({ { 14, 12, 10 } }));
  part->UpdateOutputInformation();
  part->GetLabelOutput()->SetRequestedRegion(LabelType::RegionType({ { 2, 3, 4 } }, { { 1, 1, 1 } }));
  part->GetLabelOutput()->Update();
  EXPECT_EQ(GetPixels(part->GetOutput()), whole);
}

TEST(SpatialDeformationImageFilter, SeedsAndProbabilities)
{
  const auto filter = MakeFilter();
  filter->Update();
  const auto first = GetPixels(filter->GetOutput());
  filter->Modified();
  filter->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput()), first) << "an execution repeats";
  filter->SetSeed(12);
  filter->Update();
  EXPECT_NE(GetPixels(filter->GetOutput()), first);
  const auto other = MakeFilter();
  other->SetSeed(12);
  other->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput()), GetPixels(other->GetOutput()));

  // Each operation by its own draw.
  const auto random = FilterType::New();
  random->SetInput(MakeImage<ImageType>({ { 3, 3, 3 } }));
  random->AppendScale(1.1, 0.25);
  random->AppendTranslate(MakeOffset(1.0, 0.0, 0.0), 0);
  random->AppendRotate(Fill<FilterType::AnglesType>(0.1), 0.75);
  random->AppendScale(0.9);
  EXPECT_EQ(random->GetNumberOfOperations(), 4U);
  int scales = 0;
  int rotations = 0;
  int both = 0;
  constexpr int runs = 400;
  for (int seed = 0; seed < runs; ++seed)
  {
    random->SetSeed(seed);
    random->Update();
    const auto & names = random->GetDoneOperations();
    EXPECT_EQ(names.back(), "scale");
    EXPECT_EQ(std::count(names.begin(), names.end(), "translate"), 0);
    const bool isScaled = std::count(names.begin(), names.end(), "scale") == 2;
    const bool isRotated = std::count(names.begin(), names.end(), "rotate") == 1;
    scales += isScaled ? 1 : 0;
    rotations += isRotated ? 1 : 0;
    both += isScaled && isRotated ? 1 : 0;
  }
  // Within about four standard deviations.
  EXPECT_NEAR(scales, 0.25 * runs, 35);
  EXPECT_NEAR(rotations, 0.75 * runs, 35);
  EXPECT_NEAR(both, 0.1875 * runs, 32);
}

TEST(SpatialDeformationImageFilter, ProgressAndAbort)
{
  const auto filter = MakeFilter();
  float last = -1;
  bool ascends = true;
  int events = 0;
  const auto command = itk::CStyleCommand::New();
  std::tuple<float *, bool *, int *> data{ &last, &ascends, &events };
  command->SetClientData(&data);
  command->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void * state)
    {
      const auto & [most, isAscending, count] = *static_cast<std::tuple<float *, bool *, int *> *>(state);
      const float progress = dynamic_cast<itk::ProcessObject &>(*caller).GetProgress();
      *isAscending = *isAscending && progress >= *most;
      *most = progress;
      ++*count;
    });
  filter->AddObserver(itk::ProgressEvent(), command);
  filter->Update();
  EXPECT_TRUE(ascends);
  EXPECT_GT(events, 2);
  EXPECT_EQ(last, 1.0F);

  const auto aborted = MakeFilter();
  const auto abort = itk::CStyleCommand::New();
  abort->SetCallback([](itk::Object * caller, const itk::EventObject &, void *)
                     { dynamic_cast<itk::ProcessObject &>(*caller).AbortGenerateDataOn(); });
  const auto tag = aborted->AddObserver(itk::ProgressEvent(), abort);
  EXPECT_THROW(aborted->Update(), itk::ProcessAborted);
  EXPECT_TRUE(aborted->GetDoneOperations().empty());
  aborted->RemoveObserver(tag);
  aborted->Update();
  EXPECT_EQ(GetPixels(aborted->GetOutput()), GetPixels(filter->GetOutput()));
}

TEST(SpatialDeformationImageFilter, DevicesMakeTheSameImages)
{
  if (!itk::nn::test::IsRegistered("cuda"))
  {
    GTEST_SKIP() << "there is no CUDA device";
  }
  const auto filter = MakeFilter();
  for (const int seed : { 1, 2, 3 })
  {
    filter->SetSeed(seed);
    filter->SetDevice("cpu");
    filter->Update();
    const auto expected = GetPixels(filter->GetOutput());
    for (const std::string device : { "cuda", "auto" })
    {
      filter->SetDevice(device);
      filter->Update();
      ExpectNear(GetPixels(filter->GetOutput()), expected, 1e-4);
    }
  }
}

TEST(SpatialDeformationImageFilter, InputsComeAndGo)
{
  const auto filter = MakeFilter();
  const ImageType::SizeType size{ { 14, 12, 10 } };
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 1U);
  EXPECT_EQ(filter->GetLabelImage(), nullptr);
  EXPECT_ERROR(filter->GetLabelOutput(), "There is no label output; call SetLabelImage()");
  filter->SetInput(2, MakeNoise(size, 3));
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 3U);
  EXPECT_ERROR(filter->Update(), "Input 1 is missing; should be there, as there are 3 inputs");
  filter->SetInput(1, MakeNoise(size, 2));
  const auto labels = MakeDiskLabel<LabelType>(size, 0.5, 4);
  filter->SetLabelImage(labels);
  EXPECT_EQ(filter->GetLabelImage(), labels.GetPointer());
  const LabelType::Pointer output = filter->GetLabelOutput();
  filter->Update();
  EXPECT_EQ(filter->GetLabelOutput(), output.GetPointer());
  EXPECT_GT(std::count(output->GetBufferPointer(), output->GetBufferPointer() + 14 * 12 * 10, 4), 20);
  const auto third = GetPixels(filter->GetOutput(2));
  filter->SetLabelImage(nullptr);
  EXPECT_ERROR(filter->GetLabelOutput(), "There is no label output");
  filter->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput(2)), third);
  filter->PopBackInput();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 2U);
  // An input that came another way has its output from the first update on.
  filter->PushBackInput(MakeNoise(size, 3));
  filter->Update();
  ASSERT_EQ(filter->GetNumberOfIndexedOutputs(), 3U);
  EXPECT_EQ(GetPixels(filter->GetOutput(2)), third);
}

TEST(SpatialDeformationImageFilter, Parameters)
{
  const auto filter = FilterType::New();
  EXPECT_STREQ(filter->GetNameOfClass(), "SpatialDeformationImageFilter");
  EXPECT_EQ(filter->GetNumberOfOperations(), 0U);
  EXPECT_EQ(filter->GetSeed(), 0);
  EXPECT_EQ(filter->GetInterpolation(), "linear");
  EXPECT_EQ(filter->GetBoundary(), "constant");
  EXPECT_EQ(filter->GetDefaultPixelValue(), 0);
  EXPECT_EQ(filter->GetDefaultLabel(), 0);
  EXPECT_FALSE(filter->GetCudaSpatialDeformRules());
  EXPECT_EQ(filter->GetBackend(), "auto");
  EXPECT_EQ(filter->GetDevice(), "cpu");
  EXPECT_EQ(filter->GetPrecision(), "float32");
  EXPECT_TRUE(filter->GetDoneOperations().empty());
  const auto expectModified = [&filter](auto set)
  {
    const auto before = filter->GetMTime();
    set();
    EXPECT_GT(filter->GetMTime(), before);
  };
  expectModified([&] { filter->SetSeed(-3); });
  expectModified([&] { filter->SetInterpolation("nearest"); });
  expectModified([&] { filter->SetBoundary("wrap"); });
  expectModified([&] { filter->SetDefaultPixelValue(2.5); });
  expectModified([&] { filter->SetDefaultLabel(7); });
  expectModified([&] { filter->CudaSpatialDeformRulesOn(); });
  expectModified([&] { filter->SetBackend("reference"); });
  expectModified([&] { filter->SetDevice("auto"); });
  expectModified([&] { filter->SetPrecision("float64"); });
  expectModified([&] { AppendAll(filter, 0.5); });
  EXPECT_EQ(filter->GetSeed(), -3);
  EXPECT_EQ(filter->GetInterpolation(), "nearest");
  EXPECT_EQ(filter->GetBoundary(), "wrap");
  EXPECT_EQ(filter->GetDefaultPixelValue(), 2.5);
  EXPECT_EQ(filter->GetDefaultLabel(), 7);
  EXPECT_TRUE(filter->GetCudaSpatialDeformRules());
  EXPECT_EQ(filter->GetBackend(), "reference");
  EXPECT_EQ(filter->GetDevice(), "auto");
  EXPECT_EQ(filter->GetPrecision(), "float64");
  EXPECT_EQ(filter->GetNumberOfOperations(), 5U);
  std::ostringstream text;
  filter->Print(text);
  for (const std::string line : { "Operations: scale (0.5) flip (0.5) elastic (0.5) translate (0.5) rotate (0.5)\n",
                                  "Seed: -3",
                                  "Interpolation: nearest",
                                  "Boundary: wrap",
                                  "DefaultPixelValue: 2.5",
                                  "DefaultLabel: 7",
                                  "CudaSpatialDeformRules: On",
                                  "Backend: reference",
                                  "Device: auto",
                                  "Precision: float64",
                                  "DoneOperations:\n" })
  {
    EXPECT_NE(text.str().find(line), std::string::npos) << line << " in " << text.str();
  }
  expectModified([&] { filter->ClearOperations(); });
  EXPECT_EQ(filter->GetNumberOfOperations(), 0U);
}

TEST(SpatialDeformationImageFilter, Errors)
{
  EXPECT_THROW(FilterType::New()->Update(), itk::ExceptionObject) << "no input";
  const auto fail = [](auto change, const std::string & message)
  {
    const auto filter = MakeFilter();
    change(*filter);
    EXPECT_ERROR(filter->Update(), message);
  };
  fail([](FilterType & f) { f.SetInput(1, MakeImage<ImageType>({ { 14, 12, 9 } })); },
       "Input 1 has the size [14, 12, 9] and the index [0, 0, 0]; they should be those of the first image, "
       "[14, 12, 10]");
  fail([](FilterType & f) { f.SetLabelImage(MakeImage<LabelType>({ { 14, 12, 10 } }, { { 1, 0, 0 } })); },
       "The label image has the size [14, 12, 10] and the index [1, 0, 0]");
  const double spacing[] = { 1.0, 1.0, 2.0 };
  fail(
    [&spacing](FilterType & f)
    {
      const auto labels = MakeImage<LabelType>({ { 14, 12, 10 } });
      labels->SetSpacing(spacing);
      f.SetLabelImage(labels);
    },
    "physical space");
  fail([](FilterType & f) { f.SetInput(MakeImage<ImageType>({ { 4, 0, 4 } })); }, "size [4, 0, 4]");
  fail([](FilterType & f) { f.SetDevice("gpu"); }, "gpu");
  fail([](FilterType & f) { f.SetBackend("none"); }, "none");
  fail([](FilterType & f) { f.SetPrecision("tf32"); }, "the precision is 'tf32'; should be float32 or float64");
  fail([](FilterType & f) { f.SetInterpolation("cubic"); },
       "the interpolation is 'cubic'; should be nearest or linear");
  fail([](FilterType & f) { f.SetBoundary("edge"); },
       "the boundary is 'edge'; should be constant, reflect, mirror, nearest or wrap");
  fail([](FilterType & f) { f.AppendScale(0); }, "Scale: the factor is 0");
  // Whether it is done or not.
  fail([](FilterType & f) { f.AppendScale(-1, 0); }, "Scale: the factor is -1");
  fail([](FilterType & f) { f.AppendScale(1, 1.5); }, "the probability of scale is 1.5; should be from 0 to 1");
  fail([](FilterType & f) { f.AppendElastic(1, 2, std::nan("")); }, "the probability of elastic is nan");
  fail([](FilterType & f) { f.AppendElastic(0, 2); }, "Elastic: sigma is 0");
  fail([](FilterType & f) { f.AppendElastic(1, 2, 1, "wrap"); }, "the boundary is wrap; should be constant or mirror");
  EXPECT_ERROR(FilterType::New()->AppendElastic(1, 2, 1, "edge"), "the boundary is 'edge'");
}

TEST(SpatialDeformationRunner, DrawsAreThoseOfPython)
{
  const Shape size{ 3, 4 };
  const SpatialDeformation::Elastic elastic{ 1, 2 };
  const std::vector<itk::nn::RandomSpatialOperation> operations = {
    { SpatialDeformation::Scale{ 2 }, 0.5 }, { elastic, 0.6 }, { SpatialDeformation::Flip{ { 0 } }, 0 }, { elastic }
  };
  std::size_t fields = 0;
  for (const std::int64_t seed : { 0, 1, 2, 3, -3, 4, 5 })
  {
    itk::nn::PythonRandom random(seed);
    std::vector<std::string> expected;
    for (const auto & [operation, probability] : operations)
    {
      if (random.Random() < probability)
      {
        expected.push_back(itk::nn::GetSpatialOperationName(operation));
      }
    }
    const auto drawn = itk::nn::DrawSpatialDeformation(operations, size, seed);
    EXPECT_EQ(drawn.GetNames(), expected);
    ASSERT_EQ(static_cast<std::ptrdiff_t>(drawn.noise.size()), std::count(expected.begin(), expected.end(), "elastic"));
    for (const auto & noise : drawn.noise)
    {
      ++fields;
      EXPECT_EQ(noise.GetShape(), (Shape{ 2, 3, 4 }));
      for (const double value : noise.ToVector<double>())
      {
        EXPECT_EQ(value, static_cast<double>(random.Bits(24)) / (1 << 24));
      }
    }
  }
  EXPECT_GT(fields, 8U);
  // random.seed(1); random.random(); [random.getrandbits(24) for i in range(2)]
  const auto drawn = itk::nn::DrawSpatialDeformation({ { elastic } }, size, 1);
  const auto noise = drawn.noise.at(0).ToVector<double>();
  EXPECT_EQ(noise[0] * (1 << 24), 14217578);
  EXPECT_EQ(noise[1] * (1 << 24), 13459774);
}

TEST(SpatialDeformationRunner, OnePlanServesOperationsOfTheSameKinds)
{
  SpatialDeformationRunner runner;
  runner.SetComputation("auto", "cpu", "float64", 1);
  EXPECT_EQ(runner.GetPrecision(), itk::nn::DataType::Float64);
  const auto run = [&runner](const std::vector<itk::nn::RandomSpatialOperation> & operations,
                             const Shape & size = { 5, 6 },
                             const itk::nn::DeformedImage & image = {})
  {
    const Tensor pixels = Tensor::Full({ 1, 1, size[0], size[1] }, 2);
    runner.Run(itk::nn::DrawSpatialDeformation(operations, size, 1), size, { image }, { { "image", pixels } });
    return runner.GetNumberOfPlans();
  };
  const SpatialDeformation::Scale scale{ 1.5 };
  const SpatialDeformation::Rotate rotate{ { 0.5 } };
  const SpatialDeformation::Elastic elastic{ 1, 3 };
  EXPECT_EQ(run({}), 1U);
  EXPECT_EQ(run({ { scale } }), 2U);
  EXPECT_EQ(run({ { rotate } }), 2U);
  EXPECT_EQ(run({ { SpatialDeformation::Scale{ 1.1 } }, { SpatialDeformation::Translate{ { 1, 2 } } } }), 2U);
  EXPECT_EQ(run({ { scale }, { elastic } }), 3U);
  EXPECT_EQ(run({ { rotate }, { SpatialDeformation::Elastic{ 1, -5 } } }), 3U);
  EXPECT_EQ(run({ { elastic }, { scale } }), 4U);
  EXPECT_EQ(run({ { scale }, { SpatialDeformation::Elastic{ 1.5, 3 } } }), 5U);
  EXPECT_EQ(run({ { SpatialDeformation::Flip{ { 0, 1 } } } }), 6U);
  EXPECT_EQ(run({ { SpatialDeformation::Flip{ { 1, 0 } } } }), 6U);
  EXPECT_EQ(run({ { SpatialDeformation::Flip{ { 1 } } } }), 7U);
  EXPECT_EQ(run({ { scale } }, { 6, 5 }), 8U);
  itk::nn::DeformedImage other;
  other.sampling.value = 3;
  EXPECT_EQ(run({ { scale } }, { 5, 6 }, other), 9U);
  EXPECT_EQ(run({}), 9U);
  runner.SetComputation("auto", "cpu", "float64", 1);
  EXPECT_EQ(runner.GetNumberOfPlans(), 9U);
  runner.SetComputation("auto", "cpu", "float32", 1);
  EXPECT_EQ(runner.GetNumberOfPlans(), 0U);
  for (std::int64_t length = 1; length < 40; ++length)
  {
    run({}, { length, 2 });
  }
  EXPECT_EQ(runner.GetNumberOfPlans(), 32U);
}

TEST(SpatialDeformationRunner, KeptPlansGiveTheSameValues)
{
  // Each deformation by a runner of its own, and by one for all that goes from one to another.
  SpatialDeformationRunner kept;
  kept.SetComputation("auto", "cpu", "float32", 2);
  const Shape size{ 6, 7 };
  const Tensor pixels = itk::nn::test::RandomTensor({ 1, 1, 6, 7 }, 4);
  for (int i = 0; i < 12; ++i)
  {
    const std::vector<itk::nn::RandomSpatialOperation> operations = {
      { SpatialDeformation::Rotate{ { 0.1 * i } }, 0.7 },
      { SpatialDeformation::Elastic{ 1, 2.0 + i }, 0.5 },
      { SpatialDeformation::Flip{ { 1 } }, 0.5 },
    };
    const auto drawn = itk::nn::DrawSpatialDeformation(operations, size, i);
    SpatialDeformationRunner own;
    own.SetComputation("auto", "cpu", "float32", 2);
    const auto expected = own.Run(drawn, size, { {} }, { { "image", pixels } }).at("image");
    EXPECT_EQ(expected.GetShape(), (Shape{ 1, 1, 6, 7 }));
    EXPECT_EQ(kept.Run(drawn, size, { {} }, { { "image", pixels } }).at("image").ToVector<float>(),
              expected.ToVector<float>());
  }
  EXPECT_GT(kept.GetNumberOfPlans(), 3U);
  EXPECT_LT(kept.GetNumberOfPlans(), 9U);
}

TEST(SpatialDeformationRunner, NamesAndErrors)
{
  EXPECT_EQ(itk::nn::GetSpatialOperationName(SpatialDeformation::Scale{}), "scale");
  EXPECT_EQ(itk::nn::GetSpatialOperationName(SpatialDeformation::Flip{}), "flip");
  EXPECT_EQ(itk::nn::GetSpatialOperationName(SpatialDeformation::Translate{}), "translate");
  EXPECT_EQ(itk::nn::GetSpatialOperationName(SpatialDeformation::Rotate{}), "rotate");
  EXPECT_EQ(itk::nn::GetSpatialOperationName(SpatialDeformation::Elastic{}), "elastic");
  EXPECT_EQ(itk::nn::RandomSpatialOperation{}.probability, 1);
  EXPECT_EQ(itk::nn::GetInterpolationMode("nearest"), itk::nn::InterpolationMode::Nearest);
  EXPECT_EQ(itk::nn::GetInterpolationMode("linear"), itk::nn::InterpolationMode::Linear);
  EXPECT_EQ(itk::nn::GetBoundaryMode("constant"), itk::nn::BoundaryMode::Constant);
  EXPECT_EQ(itk::nn::GetBoundaryMode("wrap"), itk::nn::BoundaryMode::Wrap);
  EXPECT_NN_ERROR(itk::nn::GetBoundaryMode(""), "the boundary is ''");

  SpatialDeformationRunner runner;
  EXPECT_NN_ERROR(runner.SetComputation("auto", "cpu", "float16"), "the precision is 'float16'; should be");
  runner.SetComputation("auto", "cpu", "float32");
  const Shape size{ 3, 4 };
  const Tensor pixels = Tensor::Full({ 1, 1, 3, 4 }, 1);
  const SpatialDeformation elastic{ { SpatialDeformation::Elastic{ 1, 2 } } };
  EXPECT_NN_ERROR(runner.Run({ elastic, {} }, size, { {} }, { { "image", pixels } }), "noise0");
  EXPECT_NN_ERROR(runner.Run({ elastic, { Tensor::Zeros({ 2, 4, 3 }) } }, size, { {} }, { { "image", pixels } }),
                  "noise0");
  EXPECT_NN_ERROR(runner.Run({}, size, { {} }, { { "image", Tensor::Full({ 1, 1, 4, 3 }, 1) } }), "image");
  EXPECT_NN_ERROR(runner.Run({}, size, { {} }, {}), "image");
}
