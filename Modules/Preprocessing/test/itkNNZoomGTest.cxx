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
#include "itkNNZoom.h"

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <algorithm>
#include <cmath>

using namespace itk::nn;

TEST(Zoom, CornersOnCorners)
{
  const Tensor row = Tensor::FromVector<float>({ 1, 1, 3 }, { 0, 2, 10 });
  EXPECT_EQ(ZoomLinear(row, { 1, 5 }).ToVector<float>(), (std::vector<float>{ 0, 1, 2, 6, 10 }));
  EXPECT_EQ(ZoomLinear(row, { 1, 2 }).ToVector<float>(), (std::vector<float>{ 0, 10 }));
  EXPECT_EQ(ZoomLinear(row, { 2, 1 }).ToVector<float>(), (std::vector<float>{ 0, 0 }));
  EXPECT_EQ(ZoomNearest(row, { 1, 5 }).ToVector<float>(), (std::vector<float>{ 0, 2, 2, 10, 10 }));
  const Tensor volume = Tensor::FromVector<float>({ 2, 1, 2, 2 }, { 0, 1, 2, 3, 10, 20, 30, 40 });
  EXPECT_EQ(ZoomLinear(volume, { 2, 1, 3 }).ToVector<float>(),
            (std::vector<float>{ 0, 0.5, 1, 0, 0.5, 1, 10, 15, 20, 10, 15, 20 }));
  const Tensor bytes = Tensor::FromVector<std::uint8_t>({ 1, 2, 2 }, { 1, 2, 3, 4 });
  EXPECT_EQ(ZoomNearest(bytes, { 2, 3 }).ToVector<int>(), (std::vector<int>{ 1, 2, 2, 3, 4, 4 }));
}

TEST(Zoom, AViewIsNoMatter)
{
  const Tensor volume = Tensor::FromVector<float>({ 1, 2, 3 }, { 0, 1, 2, 3, 4, 5 });
  const Tensor turned = volume.Permute({ 0, 2, 1 });
  EXPECT_EQ(ZoomLinear(turned, { 3, 2 }).ToVector<float>(), (std::vector<float>{ 0, 3, 1, 4, 2, 5 }));
  EXPECT_EQ(ZoomNearest(turned, { 3, 2 }).ToVector<float>(), (std::vector<float>{ 0, 3, 1, 4, 2, 5 }));
}

TEST(Zoom, Errors)
{
  const Tensor row = Tensor::Zeros({ 1, 1, 3 });
  EXPECT_NN_ERROR(ZoomLinear(row, { 3 }), "[1, 1, 3] to the size [3]; should be");
  EXPECT_NN_ERROR(ZoomLinear(row, { 1, 1, 1 }), "should be");
  EXPECT_NN_ERROR(ZoomNearest(row, { 0, 2 }), "no extent should be 0");
  EXPECT_NN_ERROR(ZoomNearest(Tensor(), { 2, 2 }), "should be");
  EXPECT_NN_ERROR(ZoomLinear(row.To(DataType::Float64), { 2, 2 }), "float64");
}

TEST(Zoom, GoldensOfSciPy)
{
  const std::string golden = "misfm/zoom.safetensors";
  ITK_NN_REQUIRE_GOLDEN(golden);
  const auto tensors = ReadSafeTensors(test::FindGolden(golden)).tensors;
  const Tensor x = tensors.Get("x").Reshape({ 1, 10, 14, 7 });
  for (const std::string name : { "10x14x7", "13x9x12", "5x28x4", "1x1x1", "16x3x7" })
  {
    const Tensor & expected = tensors.Get("to_" + name);
    const auto values = expected.ToVector<double>();
    const auto zoomed = ZoomLinear(x, expected.GetShape()).ToVector<double>();
    ASSERT_EQ(zoomed.size(), values.size()) << name;
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      ASSERT_NEAR(zoomed[i], values[i], 1e-6 * std::max(1.0, std::abs(values[i]))) << name << " voxel " << i;
    }
  }
  // SciPy's last value is 0; the rest agrees.
  const auto quirk = tensors.Get("ramp30_to_8_scipy_quirk").ToVector<float>();
  const auto ramp = ZoomLinear(tensors.Get("ramp30").Reshape({ 1, 1, 30 }), { 1, 8 }).ToVector<float>();
  for (std::size_t i = 0; i < 7; ++i)
  {
    EXPECT_NEAR(ramp[i], quirk[i], 1e-6F);
  }
  EXPECT_EQ(quirk[7], 0);
  EXPECT_EQ(ramp[7], tensors.Get("ramp30").ToVector<float>().back());
  EXPECT_EQ(ZoomNearest(tensors.Get("label_order0_in").Reshape({ 1, 10, 14, 18 }), { 13, 11, 20 }).ToVector<int>(),
            tensors.Get("label_order0_to_13x11x20").ToVector<int>());
}
