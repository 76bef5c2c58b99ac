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
#include "itkNNVolumeFusionGraph.h"

#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"

#include <cmath>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
VolumeFusionOptions
MakeOptions(const Shape & minimum, const Shape & maximum, std::int64_t classes = 5)
{
  VolumeFusionOptions options;
  options.classes = classes;
  options.minimumBlock = minimum;
  options.maximumBlock = maximum;
  return options;
}

/** Class numbers of an image's pixels, of a part from a position on. */
std::vector<double>
GetLabels(const VolumeFusionGrid & grid, const Shape & size, const Shape & position)
{
  std::vector<double> labels;
  std::vector<VolumeFusionGrid::Run> runs;
  const std::int64_t length = size.back();
  for (std::int64_t row = 0; row < NumberOfElements(size) / length; ++row)
  {
    Shape at = position;
    std::int64_t rest = row;
    for (std::size_t d = size.size() - 1; d-- > 0; rest /= size[d])
    {
      at[d] += rest % size[d];
    }
    grid.GetRuns(at, length, runs);
    for (const auto & run : runs)
    {
      labels.insert(labels.end(), static_cast<std::size_t>(run.end - run.begin), run.number);
    }
  }
  return labels;
}

/** A batch of grids on every backend, against what they say themselves.
 * \param image what they are drawn for. */
void
CheckFusion(const VolumeFusionOptions & options,
            const Shape & image,
            const Shape & size,
            const Shape & position,
            std::int64_t batch,
            std::int64_t channels)
{
  PythonRandom random(7);
  std::vector<VolumeFusionGrid> grids;
  for (std::int64_t n = 0; n < batch; ++n)
  {
    grids.push_back(VolumeFusionGrid::Draw(random, options, image));
  }
  TensorMap inputs = MakeVolumeFusionInputs(options, size, grids, position);
  Shape shape{ batch, channels };
  shape.insert(shape.end(), size.begin(), size.end());
  inputs["foreground"] = RandomTensor(shape, 1).To(DataType::Float32);
  inputs["background"] = RandomTensor(shape, 2).To(DataType::Float32);
  const auto foreground = inputs["foreground"].ToVector<double>();
  const auto background = inputs["background"].ToVector<double>();
  const Graph graph = BuildVolumeFusionGraph(options, size, batch, channels);
  const auto pixels = static_cast<std::size_t>(NumberOfElements(size));
  for (const auto & target : GetTargets())
  {
    SCOPED_TRACE(target.backend + " in " + ToString(target.precision));
    const TensorMap outputs = ExecutionPlan::Compile(graph, {}, OptionsOf(target))->Run(inputs);
    EXPECT_EQ(outputs.at("fused").GetShape(), shape);
    const auto labels = outputs.at("labels").ToVector<double>();
    const auto fused = outputs.at("fused").ToVector<double>();
    ASSERT_EQ(labels.size(), pixels * grids.size());
    for (std::size_t n = 0; n < grids.size(); ++n)
    {
      const auto expected = GetLabels(grids[n], size, position);
      ASSERT_EQ(expected.size(), pixels);
      for (std::size_t i = 0; i < pixels; ++i)
      {
        ASSERT_EQ(labels[n * pixels + i], expected[i]) << n << ' ' << i;
        const double share = expected[i] / static_cast<double>(options.classes - 1);
        for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
        {
          const std::size_t at = (n * static_cast<std::size_t>(channels) + c) * pixels + i;
          const double value = share * foreground[at] + (1 - share) * background[at];
          ASSERT_NEAR(fused[at], value, target.precision == DataType::Float64 ? 0 : 2e-7);
        }
      }
    }
  }
}
} // namespace

TEST(VolumeFusionGraph, AgreesWithTheGrid)
{
  CheckFusion(MakeOptions({ 2, 3, 4 }, { 5, 6, 7 }), { 17, 19, 23 }, { 17, 19, 23 }, { 0, 0, 0 }, 3, 2);
  CheckFusion(MakeOptions({ 3, 2 }, { 8, 9 }, 256), { 40, 33 }, { 40, 33 }, { 0, 0 }, 4, 1);
  CheckFusion(MakeOptions({ 1 }, { 3 }, 2), { 50 }, { 50 }, { 0 }, 2, 1);
  // Blocks that are greater than the image leave it without any.
  CheckFusion(MakeOptions({ 9, 9, 9 }, { 12, 12, 12 }), { 4, 5, 6 }, { 4, 5, 6 }, { 0, 0, 0 }, 1, 1);
}

TEST(VolumeFusionGraph, PartsOfImages)
{
  const auto options = MakeOptions({ 2, 3, 4 }, { 5, 6, 7 });
  for (const Shape & position :
       { Shape{ 0, 0, 0 }, Shape{ 3, 7, 1 }, Shape{ 10, 12, 15 }, Shape{ 9, 0, 17 }, Shape{ 16, 18, 22 } })
  {
    const Shape size{ std::min<std::int64_t>(7, 17 - position[0]),
                      std::min<std::int64_t>(6, 19 - position[1]),
                      std::min<std::int64_t>(8, 23 - position[2]) };
    CheckFusion(options, { 17, 19, 23 }, size, position, 2, 1);
  }
}

TEST(VolumeFusionGraph, Errors)
{
  const auto options = MakeOptions({ 2, 3 }, { 5, 6 });
  EXPECT_NN_ERROR(BuildVolumeFusionGraph(MakeOptions({ 2, 3 }, { 5, 6 }, 1), { 8, 8 }), "the number of classes is 1");
  EXPECT_NN_ERROR(BuildVolumeFusionGraph(options, { 8 }), "should have the 1 axes of the image");
  EXPECT_NN_ERROR(BuildVolumeFusionGraph(options, { 8, 0 }), "images of size [8, 0]; should have 1 to 3 axes");
  EXPECT_NN_ERROR(BuildVolumeFusionGraph(options, { 8, 8 }, 0), "a batch of 0 images of 1 channels");
  EXPECT_NN_ERROR(BuildVolumeFusionGraph(options, { 8, 8 }, 1, 0), "a batch of 1 images of 0 channels");
  PythonRandom random(1);
  const auto grid = VolumeFusionGrid::Draw(random, options, { 8, 8 });
  EXPECT_NN_ERROR(MakeVolumeFusionInputs(options, { 8, 8 }, { grid }, { 1 }), "the position [1] should have the axes");
  EXPECT_NN_ERROR(MakeVolumeFusionInputs(MakeOptions({ 6, 7 }, { 8, 8 }), { 8, 8 }, { grid }),
                  "should be at least [6, 7], as the options say");
  EXPECT_NN_ERROR(MakeVolumeFusionInputs(MakeOptions({ 1 }, { 2 }), { 8 }, { grid }),
                  "should have the axes of the size");
}
