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
#include "itkNNWindowPlacement.h"

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <sstream>

using namespace itk::nn;
using Json = nlohmann::json;

namespace
{
WindowOptions
PyMIC(const Shape & window, const Shape & stride)
{
  WindowOptions options;
  options.window = window;
  options.stride = stride;
  return options;
}

WindowOptions
MONAI(const Shape & window, double overlap)
{
  WindowOptions options;
  options.placement = WindowPlacement::MONAI;
  options.window = window;
  options.overlap = overlap;
  return options;
}

WindowOptions
NnUNet(const Shape & window, double step)
{
  WindowOptions options;
  options.placement = WindowPlacement::NnUNet;
  options.window = window;
  options.step = step;
  return options;
}

/** How often each start occurs. */
using Counts = std::map<Shape, std::int64_t>;

Counts
CountStarts(const WindowLayout & layout)
{
  Counts counts;
  for (std::int64_t i = 0; i < layout.GetNumberOfWindows(); ++i)
  {
    const auto window = layout.GetWindow(i);
    EXPECT_TRUE(counts.emplace(window.start, window.multiplicity).second) << "window " << i << " is not distinct";
  }
  return counts;
}

/** The starts along one axis, each as often as it counts. */
std::vector<std::int64_t>
ListStarts(const WindowLayout & layout)
{
  std::vector<std::int64_t> list;
  for (const auto & start : CountStarts(layout))
  {
    list.insert(list.end(), static_cast<std::size_t>(start.second), start.first[0]);
  }
  return list;
}

/** Counts of every pixel by the windows over it, in a one-dimensional image. */
bool
CoversAll(const WindowLayout & layout)
{
  std::vector<int> covered(static_cast<std::size_t>(layout.image[0]), 0);
  for (const auto & start : layout.starts[0])
  {
    for (std::int64_t i = start.position; i < start.position + layout.window[0]; ++i)
    {
      if (i >= 0 && i < layout.image[0])
      {
        covered[static_cast<std::size_t>(i)] = 1;
      }
    }
  }
  return std::count(covered.begin(), covered.end(), 1) == layout.image[0];
}
} // namespace

TEST(WindowPlacement, PyMICAsItsLoopsGoOverAnAxis)
{
  for (std::int64_t image = 1; image <= 30; ++image)
  {
    for (std::int64_t size = 1; size <= 32; ++size)
    {
      for (std::int64_t distance = 1; distance <= 34; ++distance)
      {
        const std::int64_t window = std::min(size, image);
        const std::int64_t stride = std::min(distance, window);
        std::vector<std::int64_t> expected;
        for (std::int64_t s = 0; s < image && window < image; s += stride)
        {
          expected.push_back(std::min(s, image - window));
        }
        if (window == image)
        {
          expected = { 0 };
        }
        const WindowLayout layout = PlaceWindows({ image }, PyMIC({ size }, { distance }));
        layout.Check();
        EXPECT_EQ(layout.window, Shape{ window });
        ASSERT_EQ(ListStarts(layout), expected) << image << ' ' << size << ' ' << distance;
        ASSERT_TRUE(CoversAll(layout));
      }
    }
  }
}

TEST(WindowPlacement, PyMICCountsAnAxisThatTheWindowCoversWithItsStride)
{
  // Only where the window covers all axes is there one plain run.
  const WindowLayout layout = PlaceWindows({ 16, 48 }, PyMIC({ 32, 32 }, { 8, 16 }));
  EXPECT_EQ(layout.window, (Shape{ 16, 32 }));
  EXPECT_EQ(CountStarts(layout), (Counts{ { { 0, 0 }, 2 }, { { 0, 16 }, 4 } }));
  const WindowLayout whole = PlaceWindows({ 16, 48 }, PyMIC({ 32, 48 }, { 8, 16 }));
  EXPECT_EQ(CountStarts(whole), (Counts{ { { 0, 0 }, 1 } }));
}

TEST(WindowPlacement, PyMICGoldens)
{
  const std::string golden = "misfm/sliding_window.json";
  ITK_NN_REQUIRE_GOLDEN(golden);
  const Json json = Json::parse(test::ReadText(test::FindGolden(golden)));
  const std::map<std::string, std::pair<std::string, Shape>> cases{
    { "a", { "a_48_win32_stride16_batch3", { 48, 48, 48 } } },
    { "b", { "b_40x48x44_win16x32x32_stride8x16x16", { 40, 48, 44 } } }
  };
  for (const auto & entry : cases)
  {
    Counts expected;
    for (const auto & start : json.at("starts").at(entry.first))
    {
      ++expected[start.get<Shape>()];
    }
    const Json & infer = json.at("cases").at(entry.second.first).at("infer");
    const WindowLayout layout =
      PlaceWindows(entry.second.second, PyMIC(infer.at("sliding_window_size"), infer.at("sliding_window_stride")));
    EXPECT_EQ(CountStarts(layout), expected) << entry.first;
  }
}

TEST(WindowPlacement, MONAIAsItsFormulas)
{
  for (const double overlap : { 0.0, 0.25, 0.5, 0.625, 0.99 })
  {
    for (std::int64_t size = 1; size <= 40; ++size)
    {
      for (std::int64_t window = 1; window <= 20; ++window)
      {
        const std::int64_t difference = std::max<std::int64_t>(window - size, 0);
        const std::int64_t padded = size + difference;
        const auto part = static_cast<std::int64_t>(static_cast<double>(window) * (1 - overlap));
        const std::int64_t interval = window == padded ? window : std::max<std::int64_t>(part, 1);
        std::int64_t d = 0;
        while (d * interval + window < padded)
        {
          ++d;
        }
        std::vector<std::int64_t> expected;
        for (std::int64_t k = 0; k <= d; ++k)
        {
          expected.push_back(k * interval - std::max<std::int64_t>(k * interval + window - padded, 0) - difference / 2);
        }
        const WindowLayout layout = PlaceWindows({ size }, MONAI({ window }, overlap));
        layout.Check();
        EXPECT_EQ(layout.window, Shape{ window });
        EXPECT_EQ(layout.before, Shape{ difference / 2 });
        EXPECT_EQ(layout.after, Shape{ difference - difference / 2 });
        ASSERT_EQ(ListStarts(layout), expected) << size << ' ' << window << ' ' << overlap;
        ASSERT_TRUE(CoversAll(layout));
      }
    }
  }
}

TEST(WindowPlacement, NnUNetAsItsFormulas)
{
  for (const double step : { 0.25, 0.5, 0.8, 1.0 })
  {
    for (std::int64_t size = 1; size <= 60; ++size)
    {
      for (std::int64_t window = 1; window <= 20; ++window)
      {
        const std::int64_t difference = std::max<std::int64_t>(window - size, 0);
        const double last = static_cast<double>(size + difference - window);
        const auto count = static_cast<int>(std::ceil(last / (static_cast<double>(window) * step))) + 1;
        std::vector<std::int64_t> expected;
        for (int k = 0; k < count; ++k)
        {
          const double exact = count > 1 ? last / (count - 1) * k : 0;
          const double below = std::floor(exact);
          const bool isUp = exact - below > 0.5 || (exact - below == 0.5 && std::fmod(below, 2) == 1);
          expected.push_back(static_cast<std::int64_t>(isUp ? below + 1 : below) - difference / 2);
        }
        const WindowLayout layout = PlaceWindows({ size }, NnUNet({ window }, step));
        layout.Check();
        EXPECT_EQ(layout.before, Shape{ difference / 2 });
        EXPECT_EQ(layout.after, Shape{ difference - difference / 2 });
        ASSERT_EQ(ListStarts(layout), expected) << size << ' ' << window << ' ' << step;
        ASSERT_TRUE(CoversAll(layout));
      }
    }
  }
}

TEST(WindowPlacement, U2NetAsItsGoldens)
{
  WindowOptions options;
  options.placement = WindowPlacement::U2Net;
  // Centres of u2net_torch: 8, 13, 13; 8, 16, 20, 20; 8, 10, 10.
  options.window = { 16, 16, 16 };
  const WindowLayout layout = PlaceWindows({ 21, 28, 18 }, options);
  const std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> expected{ { { 0, 1 }, { 5, 2 } },
                                                                                  { { 0, 1 }, { 8, 1 }, { 12, 2 } },
                                                                                  { { 0, 1 }, { 2, 2 } } };
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    ASSERT_EQ(layout.starts[axis].size(), expected[axis].size());
    for (std::size_t i = 0; i < expected[axis].size(); ++i)
    {
      EXPECT_EQ(layout.starts[axis][i].position, expected[axis][i].first);
      EXPECT_EQ(layout.starts[axis][i].multiplicity, expected[axis][i].second);
    }
  }
  // Padded by 2 on both sides, which makes one more than the window.
  options.window = { 16 };
  const WindowLayout padded = PlaceWindows({ 13 }, options);
  EXPECT_EQ(padded.before, Shape{ 2 });
  EXPECT_EQ(padded.after, Shape{ 2 });
  EXPECT_EQ(ListStarts(padded), (std::vector<std::int64_t>{ -2, -1, -1 }));
  EXPECT_EQ(padded.starts[0][1].multiplicity, 2);
  // A volume of one window is evaluated twice an axis.
  EXPECT_EQ(PlaceWindows({ 16 }, options).starts[0][0].multiplicity, 2);
  for (std::int64_t size = 1; size <= 40; ++size)
  {
    for (std::int64_t window = 1; window <= 20; ++window)
    {
      options.window = { window };
      const WindowLayout any = PlaceWindows({ size }, options);
      any.Check();
      ASSERT_TRUE(CoversAll(any)) << size << ' ' << window;
    }
  }
}

TEST(WindowPlacement, HermesAsItsGoldens)
{
  WindowOptions options;
  options.placement = WindowPlacement::Hermes;
  options.window = { 16 };
  using List = std::vector<std::int64_t>;
  EXPECT_EQ(ListStarts(PlaceWindows({ 33 }, options)), (List{ 0, 8, 16, 17 }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 32 }, options)), (List{ 0, 8, 16, 16 }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 31 }, options)), (List{ 0, 8, 15 }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 16 }, options)), (List{ 0, 0 }));
  const WindowLayout padded = PlaceWindows({ 13 }, options);
  EXPECT_EQ(padded.before, Shape{ 0 });
  EXPECT_EQ(padded.after, Shape{ 3 });
  EXPECT_EQ(ListStarts(padded), (List{ 0, 0 }));
  for (std::int64_t size = 1; size <= 40; ++size)
  {
    for (std::int64_t window = 1; window <= 20; ++window)
    {
      options.window = { window };
      const WindowLayout any = PlaceWindows({ size }, options);
      any.Check();
      ASSERT_TRUE(CoversAll(any)) << size << ' ' << window;
    }
  }

  const std::string golden = "hermes/sliding_window/config.json";
  ITK_NN_REQUIRE_GOLDEN(golden);
  const Json cases = Json::parse(test::ReadText(test::FindGolden(golden)));
  for (const auto & [name, entry] : cases.items())
  {
    options.window = entry.at("window").get<Shape>();
    const WindowLayout layout = PlaceWindows(entry.at("size").get<Shape>(), options);
    Counts expected;
    const Json & windows = entry.at("windows_zyx");
    for (const Json & z : windows[0])
    {
      for (const Json & y : windows[1])
      {
        for (const Json & x : windows[2])
        {
          ++expected[Shape{ z[0], y[0], x[0] }];
        }
      }
    }
    EXPECT_EQ(CountStarts(layout), expected) << name;
  }
}

TEST(WindowPlacement, StartsOfMONAIAndNnUNetThemselves)
{
  using List = std::vector<std::int64_t>;
  // dense_patch_slices() of MONAI 1.5.1.
  EXPECT_EQ(CountStarts(PlaceWindows({ 100, 40 }, MONAI({ 32, 48 }, 0.25))),
            (Counts{ { { 0, -4 }, 1 }, { { 24, -4 }, 1 }, { { 48, -4 }, 1 }, { { 68, -4 }, 1 } }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 50 }, MONAI({ 16 }, 0.6))), (List{ 0, 6, 12, 18, 24, 30, 34 }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 33 }, MONAI({ 7 }, 0.9))).size(), 27U);
  // compute_steps_for_sliding_window() of nnU-Net 2.6.2.
  EXPECT_EQ(ListStarts(PlaceWindows({ 110 }, NnUNet({ 64 }, 0.5))), (List{ 0, 23, 46 }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 100 }, NnUNet({ 28 }, 0.5))), (List{ 0, 12, 24, 36, 48, 60, 72 }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 97 }, NnUNet({ 40 }, 0.5))), (List{ 0, 19, 38, 57 }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 13 }, NnUNet({ 8 }, 0.3))), (List{ 0, 2, 3, 5 }));
  EXPECT_EQ(ListStarts(PlaceWindows({ 13 }, NnUNet({ 8 }, 0.5))), (List{ 0, 2, 5 }));
}

TEST(WindowPlacement, SelectFindsTheWindowsThatTouchARegion)
{
  for (const auto & options : { PyMIC({ 5, 4, 7 }, { 3, 4, 2 }), MONAI({ 5, 4, 12 }, 0.25), NnUNet({ 5, 4, 12 }, 0.5) })
  {
    const WindowLayout layout = PlaceWindows({ 11, 9, 10 }, options);
    for (const WindowRegion & region : { WindowRegion{ { 0, 0, 0 }, { 11, 9, 10 } },
                                         WindowRegion{ { 3, 8, 4 }, { 1, 1, 2 } },
                                         WindowRegion{ { 5, 0, 9 }, { 2, 4, 1 } },
                                         WindowRegion{ { 10, 8, 9 }, { 1, 1, 1 } } })
    {
      std::vector<std::int64_t> expected;
      for (std::int64_t i = 0; i < layout.GetNumberOfWindows(); ++i)
      {
        const Shape start = layout.GetWindow(i).start;
        bool touches = true;
        for (std::size_t axis = 0; axis < 3; ++axis)
        {
          touches = touches && std::max(start[axis], region.start[axis]) <
                                 std::min(start[axis] + layout.window[axis], region.start[axis] + region.size[axis]);
        }
        if (touches)
        {
          expected.push_back(i);
        }
      }
      EXPECT_EQ(layout.Select(region), expected);
      EXPECT_FALSE(expected.empty());
    }
  }
}

TEST(WindowPlacement, PyMICPadsWhenAskedTo)
{
  WindowOptions options = PyMIC({ 32, 16 }, { 16, 8 });
  options.padToWindow = true;
  const WindowLayout layout = PlaceWindows({ 15, 24 }, options);
  EXPECT_EQ(layout.window, (Shape{ 32, 16 }));
  EXPECT_EQ(layout.before, (Shape{ 8, 0 }));
  EXPECT_EQ(layout.after, (Shape{ 9, 0 }));
  EXPECT_EQ(CountStarts(layout), (Counts{ { { -8, 0 }, 2 }, { { -8, 8 }, 4 } }));
  // An image that is not smaller is as without.
  EXPECT_EQ(CountStarts(PlaceWindows({ 40, 24 }, options)),
            CountStarts(PlaceWindows({ 40, 24 }, PyMIC({ 32, 16 }, { 16, 8 }))));
  const WindowLayout whole = PlaceWindows({ 31, 16 }, options);
  EXPECT_EQ(CountStarts(whole), (Counts{ { { 0, 0 }, 1 } }));
  EXPECT_EQ(whole.after, (Shape{ 1, 0 }));
}

TEST(WindowPlacement, CoveredRegionIsTheBoxOfTheSelectedWindows)
{
  for (const auto & options : { PyMIC({ 5, 4 }, { 3, 4 }), MONAI({ 5, 12 }, 0.25) })
  {
    const WindowLayout layout = PlaceWindows({ 17, 10 }, options);
    for (std::int64_t row = 0; row < 17; ++row)
    {
      const WindowRegion region{ { row, 2 }, { 1, 3 } };
      Shape begin{ 17, 10 };
      Shape end{ 0, 0 };
      for (const std::int64_t number : layout.Select(region))
      {
        const Shape start = layout.GetWindow(number).start;
        for (std::size_t axis = 0; axis < 2; ++axis)
        {
          begin[axis] = std::min(begin[axis], std::max<std::int64_t>(start[axis], 0));
          end[axis] = std::max(end[axis], std::min(start[axis] + layout.window[axis], layout.image[axis]));
        }
      }
      const WindowRegion covered = layout.GetCoveredRegion(region);
      EXPECT_EQ(covered.start, begin);
      EXPECT_EQ(covered.size, (Shape{ end[0] - begin[0], end[1] - begin[1] }));
    }
  }
  EXPECT_NN_ERROR(PlaceWindows({ 8 }, MONAI({ 4 }, 0)).GetCoveredRegion({ { 8 }, { 1 } }), "should have pixels");
}

TEST(WindowPlacement, MirrorPlacesTheWindowsOfTheMirroredImage)
{
  const WindowLayout layout = PlaceWindows({ 11, 9 }, MONAI({ 5, 14 }, 0.25));
  const WindowLayout mirrored = layout.Mirror({ 0, 1 });
  mirrored.Check();
  ASSERT_EQ(mirrored.GetNumberOfWindows(), layout.GetNumberOfWindows());
  for (std::int64_t i = 0; i < layout.GetNumberOfWindows(); ++i)
  {
    const Shape start = layout.GetWindow(i).start;
    const Shape other = mirrored.GetWindow(layout.GetNumberOfWindows() - 1 - i).start;
    EXPECT_EQ(other, (Shape{ 11 - 5 - start[0], 9 - 14 - start[1] }));
  }
  EXPECT_EQ(layout.before, (Shape{ 0, 2 }));
  EXPECT_EQ(mirrored.before, (Shape{ 0, 3 }));
  EXPECT_EQ(CountStarts(mirrored.Mirror({ 1, 0 })), CountStarts(layout));
  const WindowLayout counted = PlaceWindows({ 20 }, PyMIC({ 8 }, { 3 })).Mirror({ 0 });
  EXPECT_GT(counted.starts[0].front().multiplicity, 1);
  EXPECT_EQ(counted.starts[0].back().multiplicity, 1);
  EXPECT_NN_ERROR(layout.Mirror({ -1 }), "the axis to mirror is -1; should be within [0, 2)");
  EXPECT_NN_ERROR(layout.Mirror({ 1, 0, 1 }), "the axis 1 is to be mirrored twice");
}

TEST(WindowPlacement, Names)
{
  std::ostringstream names;
  names << WindowPlacement::PyMIC << WindowPlacement::MONAI << WindowPlacement::NnUNet << WindowPlacement::U2Net
        << WindowPlacement::Hermes << static_cast<WindowPlacement>(9);
  EXPECT_EQ(names.str(), "PyMICMONAINnUNetU2NetHermesan unknown placement");
}

TEST(WindowPlacement, WindowsOfASlabFollowEachOther)
{
  const WindowLayout layout = PlaceWindows({ 20, 20 }, MONAI({ 8, 8 }, 0.5));
  std::int64_t number = 0;
  for (const auto & first : layout.starts[0])
  {
    for (const auto & second : layout.starts[1])
    {
      EXPECT_EQ(layout.GetWindow(number++).start, (Shape{ first.position, second.position }));
    }
  }
  EXPECT_EQ(number, layout.GetNumberOfWindows());
}

TEST(WindowPlacement, BadOptionsAreErrors)
{
  EXPECT_NN_ERROR(PlaceWindows({}, PyMIC({}, {})), "0 axes; should have 1, 2 or 3");
  EXPECT_NN_ERROR(PlaceWindows({ 1, 1, 1, 1 }, PyMIC({ 1, 1, 1, 1 }, { 1, 1, 1, 1 })), "4 axes");
  EXPECT_NN_ERROR(PlaceWindows({ 8, 0 }, MONAI({ 4, 4 }, 0.5)), "the image is [8, 0]; should be at least 1");
  EXPECT_NN_ERROR(PlaceWindows({ 8, 8 }, MONAI({ 4 }, 0.5)), "the window is [4]; should have the 2 axes");
  EXPECT_NN_ERROR(PlaceWindows({ 8, 8 }, NnUNet({ 4, 0 }, 0.5)), "the window is [4, 0]");
  EXPECT_NN_ERROR(PlaceWindows({ 8, 8 }, PyMIC({ 4, 4 }, {})), "the stride is []");
  EXPECT_NN_ERROR(PlaceWindows({ 8, 8 }, PyMIC({ 4, 4 }, { 2, 0 })), "the stride is [2, 0]");
  EXPECT_NN_ERROR(PlaceWindows({ 8 }, MONAI({ 4 }, 1.0)), "the overlap is 1; should be within [0, 1)");
  EXPECT_NN_ERROR(PlaceWindows({ 8 }, MONAI({ 4 }, std::numeric_limits<double>::quiet_NaN())), "the overlap is");
  EXPECT_NN_ERROR(PlaceWindows({ 8 }, NnUNet({ 4 }, 0)), "the step is 0; should be within [0.001, 1]");
  EXPECT_NN_ERROR(PlaceWindows({ 8 }, NnUNet({ 4 }, 1.5)), "the step is 1.5");
  WindowOptions unknown = MONAI({ 4 }, 0.5);
  unknown.placement = static_cast<WindowPlacement>(7);
  EXPECT_NN_ERROR(PlaceWindows({ 8 }, unknown), "the placement is 7; should be PyMIC, MONAI, NnUNet, U2Net or Hermes");
}

TEST(WindowPlacement, BadUseOfALayoutIsAnError)
{
  WindowLayout layout = PlaceWindows({ 8, 9 }, MONAI({ 4, 4 }, 0.5));
  EXPECT_NN_ERROR(layout.GetWindow(-1), "number of a window is -1");
  EXPECT_NN_ERROR(layout.GetWindow(layout.GetNumberOfWindows()), "should be within [0, 12)");
  EXPECT_NN_ERROR(layout.Select({ { 0 }, { 8 } }), "the region starts at [0] and has the size [8]");
  EXPECT_NN_ERROR(layout.Select({ { 0, 0 }, { 8, 0 } }), "should have pixels");
  EXPECT_NN_ERROR(layout.Select({ { 0, 1 }, { 8, 9 } }), "within the image [8, 9]");
  EXPECT_NN_ERROR(layout.Select({ { -1, 0 }, { 8, 9 } }), "within the image [8, 9]");
  layout.Check();

  WindowLayout changed = layout;
  changed.starts.pop_back();
  EXPECT_NN_ERROR(changed.Check(), "starts along 1 axes; should be the 2");
  changed = layout;
  changed.starts[0][1].position = 5;
  EXPECT_NN_ERROR(changed.Check(), "the start 5 along axis 0");
  changed = layout;
  changed.starts[1].pop_back();
  EXPECT_NN_ERROR(changed.Check(), "the windows end at 8 along axis 1; should cover the 9 pixels");
  changed = layout;
  changed.starts[0][0].multiplicity = 0;
  EXPECT_NN_ERROR(changed.Check(), "counted 0 times");
}
