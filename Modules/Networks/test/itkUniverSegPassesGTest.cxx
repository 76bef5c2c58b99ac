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
#include "itkNNGraphTestHelpers.h"
#include "itkNNPasses.h"
#include "itkUniverSegNetwork.h"

#include <gtest/gtest.h>

namespace
{
using namespace itk::nn;
using test::CountProductsOfRuns;

const std::vector<std::string> supportInputs{ "support_images", "support_labels" };

Graph
ReleaseGraph(std::int64_t batch, std::int64_t supports, std::int64_t extent)
{
  return UniverSegNetwork(UniverSegConfiguration::Release())
    .BuildGraph({ { "target", { batch, 1, extent, extent } },
                  { "support_images", { batch, supports, 1, extent, extent } },
                  { "support_labels", { batch, supports, 1, extent, extent } } });
}

double
CountSimplified(const Graph & graph)
{
  return CountProductsOfRuns(SimplifyGraph(graph));
}

StaticSplit
SplitSimplified(const Graph & graph)
{
  return SplitAtStaticInputs(SimplifyGraph(graph, { supportInputs }), supportInputs);
}

TEST(UniverSegPasses, OriginalWork)
{
  EXPECT_DOUBLE_EQ(ReleaseGraph(1, 64, 128).CountFlops(true), 667.569618944e9);
  EXPECT_DOUBLE_EQ(ReleaseGraph(1, 16, 128).CountFlops(true), 169.286303744e9);
}

TEST(UniverSegPasses, WorkWithNewSupports)
{
  const double at64 = CountSimplified(ReleaseGraph(1, 64, 128));
  const double at16 = CountSimplified(ReleaseGraph(1, 16, 128));
  EXPECT_LE(at64, 194.1e9);
  EXPECT_LE(at16, 55.5e9);
}

TEST(UniverSegPasses, WorkWithPreparedSupports)
{
  const double at64 = CountProductsOfRuns(SplitSimplified(ReleaseGraph(1, 64, 128)).remainder);
  const double at16 = CountProductsOfRuns(SplitSimplified(ReleaseGraph(1, 16, 128)).remainder);
  EXPECT_LE(at64, 115.5e9);
  EXPECT_LE(at16, 36.7e9);
}

TEST(UniverSegPasses, NeverMoreWorkThanTheNetworkAsWritten)
{
  for (const std::int64_t batch : { 1, 2 })
  {
    for (const std::int64_t supports : { 1, 2, 3, 4, 8 })
    {
      for (const std::int64_t extent : { 8, 128 })
      {
        SCOPED_TRACE(::testing::Message() << "B = " << batch << ", S = " << supports << ", " << extent);
        const Graph graph = ReleaseGraph(batch, supports, extent);
        const double work = graph.CountFlops(true);
        const double simplified = CountSimplified(graph);
        EXPECT_LE(simplified, work);
        const StaticSplit split = SplitSimplified(graph);
        const double remainder = CountProductsOfRuns(split.remainder);
        // One support has a small part in the work: keeping it apart costs more.
        if (supports > 1)
        {
          EXPECT_LE(remainder, simplified);
        }
        EXPECT_LE(CountProductsOfRuns(split.prologue) + remainder, work);
        EXPECT_FALSE(split.names.empty());
      }
    }
  }
}

TEST(UniverSegPasses, NothingIsLeftToDo)
{
  const Graph simple = SimplifyGraph(ReleaseGraph(2, 3, 32));
  EXPECT_EQ(SimplifyGraph(simple).ToText(), simple.ToText());
  std::vector<PassReport> reports;
  SimplifyGraph(simple, {}, &reports);
  EXPECT_TRUE(reports.empty());
  SimplifyGraph(ReleaseGraph(2, 3, 32), {}, &reports);
  ASSERT_FALSE(reports.empty());
  EXPECT_EQ(reports.back().nodes, simple.GetNodes().size());
  EXPECT_EQ(reports.back().flops, simple.CountFlops(true));
}
} // namespace
