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
#include "itkNNDevice.h"
#include "itkNNLayout.h"
#include "itkNNShape.h"
#include "itkNNTestHelpers.h"

#include <limits>

using namespace itk::nn;

namespace
{
constexpr std::int64_t big = std::int64_t{ 1 } << 40;
}

TEST(Shape, NumberOfElements)
{
  EXPECT_EQ(NumberOfElements({}), 1);
  EXPECT_EQ(NumberOfElements({ 2, 1, 3 }), 6);
  EXPECT_EQ(NumberOfElements({ 4, 0, 3 }), 0);
  EXPECT_EQ(NumberOfElements({ big, big, 0 }), 0);
  EXPECT_EQ(NumberOfElements({ std::numeric_limits<std::int64_t>::max() }), std::numeric_limits<std::int64_t>::max());
  EXPECT_NN_ERROR(NumberOfElements({ 2, -1 }), "Shape [2, -1] has a negative extent");
  EXPECT_NN_ERROR(NumberOfElements({ 0, -1 }), "negative extent");
  EXPECT_NN_ERROR(NumberOfElements({ big, big }), "more elements than 63 bits");
}

TEST(Shape, Text)
{
  EXPECT_EQ(ToString(Shape{}), "[]");
  EXPECT_EQ(ToString(Shape{ 2, 1, 1280 }), "[2, 1, 1280]");
}

TEST(Shape, ContiguousStrides)
{
  EXPECT_EQ(ContiguousStrides({}), Shape{});
  EXPECT_EQ(ContiguousStrides({ 5 }), Shape{ 1 });
  EXPECT_EQ(ContiguousStrides({ 2, 3, 4 }), (Shape{ 12, 4, 1 }));
  EXPECT_EQ(ContiguousStrides({ 2, 0, 4 }), (Shape{ 4, 4, 1 }));
  EXPECT_EQ(ContiguousStrides({ big, big, big, 0 }).size(), 4U);
}

TEST(Shape, Broadcast)
{
  EXPECT_EQ(BroadcastShapes({}, {}), Shape{});
  EXPECT_EQ(BroadcastShapes({ 2, 1, 3 }, { 4, 1 }), (Shape{ 2, 4, 3 }));
  EXPECT_EQ(BroadcastShapes({}, { 2, 3 }), (Shape{ 2, 3 }));
  EXPECT_EQ(BroadcastShapes({ 0 }, { 1 }), Shape{ 0 });
  EXPECT_EQ(BroadcastShapes({ 1, 5 }, { 0, 5 }), (Shape{ 0, 5 }));
  EXPECT_NN_ERROR(BroadcastShapes({ 2, 3 }, { 2, 4 }), "Shapes [2, 3] and [2, 4] do not broadcast");
  EXPECT_NN_ERROR(BroadcastShapes({ 0 }, { 2 }), "do not broadcast");
}

TEST(Shape, NormalizeAxis)
{
  EXPECT_EQ(NormalizeAxis(0, 3), 0);
  EXPECT_EQ(NormalizeAxis(2, 3), 2);
  EXPECT_EQ(NormalizeAxis(-1, 3), 2);
  EXPECT_EQ(NormalizeAxis(-3, 3), 0);
  EXPECT_NN_ERROR(NormalizeAxis(3, 3), "Axis 3 is outside of [-3, 2] for rank 3");
  EXPECT_NN_ERROR(NormalizeAxis(-4, 3), "Axis -4");
  EXPECT_NN_ERROR(NormalizeAxis(0, 0), "rank 0");
}

TEST(Layout, PhysicalShapes)
{
  const Shape shape{ 2, 9, 5, 4 };
  EXPECT_EQ(Layout{}.GetPhysicalShape(shape), shape);
  EXPECT_EQ((Layout{ Layout::Kind::Blocked8, 1 }.GetPhysicalShape(shape)), (Shape{ 2, 2, 5, 4, 8 }));
  EXPECT_EQ((Layout{ Layout::Kind::Blocked16, 1 }.GetPhysicalShape(shape)), (Shape{ 2, 1, 5, 4, 16 }));
  EXPECT_EQ((Layout{ Layout::Kind::ChannelsLast, 1 }.GetPhysicalShape(shape)), (Shape{ 2, 5, 4, 9 }));
  EXPECT_EQ((Layout{ Layout::Kind::ChannelsLast, 2 }.GetPhysicalShape(shape)), (Shape{ 2, 9, 4, 5 }));
  EXPECT_EQ((Layout{ Layout::Kind::Blocked8, 2 }.GetPhysicalShape({ 1, 3, 16, 7 })), (Shape{ 1, 3, 2, 7, 8 }));
  EXPECT_EQ((Layout{ Layout::Kind::Blocked8, 1 }.GetPhysicalShape({ 0, 3 })), (Shape{ 0, 1, 8 }));
  EXPECT_EQ((Layout{ Layout::Kind::Blocked8, 1 }.GetPhysicalElements(shape)), 640);
  EXPECT_EQ((Layout{ Layout::Kind::ChannelsLast, 1 }.GetPhysicalElements(shape)), 360);
  EXPECT_NN_ERROR((Layout{ Layout::Kind::Blocked8, 4 }.GetPhysicalShape(shape)),
                  "Layout blocked8 of axis 4 does not fit the shape [2, 9, 5, 4]");
  EXPECT_NN_ERROR((Layout{ Layout::Kind::ChannelsLast, -1 }.GetPhysicalShape(shape)), "channels_last");
}

TEST(Layout, EqualityTextAndBlock)
{
  EXPECT_EQ((Layout{ Layout::Kind::Plain, 0 }), (Layout{ Layout::Kind::Plain, 3 }));
  EXPECT_NE((Layout{ Layout::Kind::Blocked8, 1 }), (Layout{ Layout::Kind::Blocked8, 2 }));
  EXPECT_NE((Layout{ Layout::Kind::Blocked8, 1 }), (Layout{ Layout::Kind::Blocked16, 1 }));
  EXPECT_EQ(Layout{}.ToText(), "plain");
  EXPECT_EQ((Layout{ Layout::Kind::Blocked8, 1 }.ToText()), "blocked8");
  EXPECT_EQ((Layout{ Layout::Kind::Blocked16, 1 }.ToText()), "blocked16");
  EXPECT_EQ((Layout{ Layout::Kind::ChannelsLast, 1 }.ToText()), "channels_last");
  EXPECT_TRUE(Layout{}.IsPlain());
  EXPECT_EQ(Layout{}.GetBlock(), 0);
  EXPECT_EQ((Layout{ Layout::Kind::ChannelsLast, 1 }.GetBlock()), 0);
  EXPECT_EQ((Layout{ Layout::Kind::Blocked8, 1 }.GetBlock()), 8);
  EXPECT_EQ((Layout{ Layout::Kind::Blocked16, 1 }.GetBlock()), 16);
}

TEST(Device, TextBothWays)
{
  EXPECT_EQ(Device{}, Device::FromString("cpu"));
  EXPECT_EQ(Device{}.ToText(), "cpu");
  const Device cuda = Device::FromString("cuda");
  EXPECT_EQ(cuda.type, Device::Type::Cuda);
  EXPECT_EQ(cuda.index, 0);
  EXPECT_EQ(cuda.ToText(), "cuda:0");
  EXPECT_EQ(Device::FromString("cuda:0"), cuda);
  EXPECT_EQ(Device::FromString("cuda:12").index, 12);
  EXPECT_EQ(Device::FromString("cuda:12").ToText(), "cuda:12");
  EXPECT_FALSE(cuda == Device{});
}

TEST(Device, OtherTextIsAnError)
{
  for (const char * text : { "", "CPU", "cpu:0", "gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda: 1", "cuda:99999999999" })
  {
    EXPECT_NN_ERROR(Device::FromString(text),
                    std::string("Unknown device '") + text + "'; expected cpu, cuda or cuda:N");
  }
}

TEST(Error, CarriesMessageAndClass)
{
  const std::string value = "b";
  try
  {
    itkNNThrowMacro("a " << value << ' ' << 3);
  }
  catch (const itk::ExceptionObject & error)
  {
    EXPECT_STREQ(error.GetDescription(), "a b 3");
    EXPECT_STREQ(error.GetNameOfClass(), "nn::Error");
    EXPECT_NE(std::string(error.GetFile()).find("itkNNShapeGTest"), std::string::npos);
    EXPECT_GT(error.GetLine(), 0U);
  }
  EXPECT_NO_THROW(itkNNRequireMacro(true, "never"));
  EXPECT_NN_ERROR(itkNNRequireMacro(1 > 2, "order"), "order");
}

TEST(Error, CancelledIsAnError)
{
  try
  {
    throw Cancelled(__FILE__, __LINE__, "stop");
  }
  catch (const Error & error)
  {
    EXPECT_STREQ(error.GetNameOfClass(), "nn::Cancelled");
    EXPECT_STREQ(error.GetDescription(), "stop");
    EXPECT_NE(dynamic_cast<const Cancelled *>(&error), nullptr);
  }
}
