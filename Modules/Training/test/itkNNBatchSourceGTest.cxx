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
#include "itkNNBatchSource.h"

#include "itkNNTestHelpers.h"

#include <atomic>

using namespace itk::nn;

namespace
{
/** The position as a tensor; 7 is broken. */
class CountingSource : public BatchSource
{
public:
  TensorMap MakeBatch(std::uint64_t position) const override
  {
    ++made;
    itkNNRequireMacro(position != 7, "The batch 7 is broken");
    return { { "position", Tensor::Full({ 1 }, static_cast<double>(position)) } };
  }
  mutable std::atomic<int> made{ 0 };
};

double
PositionOf(const TensorMap & batch)
{
  return batch.at("position").ToVector<double>()[0];
}
} // namespace

TEST(BatchPrefetcher, GivesBatchesInOrder)
{
  for (const unsigned int threads : { 0, 1, 3 })
  {
    const auto source = std::make_shared<CountingSource>();
    BatchPrefetcher batches(source, 10, 3, threads, 4);
    for (int i = 0; i < 20; ++i)
    {
      EXPECT_EQ(PositionOf(batches.Next()), 10 + 3 * i);
    }
    EXPECT_GE(batches.GetWaitedSeconds(), 0);
    EXPECT_LE(source->made, 24);
  }
}

TEST(BatchPrefetcher, HandsOverWhatIsThrownAndGoesOn)
{
  for (const unsigned int threads : { 0, 2 })
  {
    BatchPrefetcher batches(std::make_shared<CountingSource>(), 6, 1, threads, 2);
    EXPECT_EQ(PositionOf(batches.Next()), 6);
    EXPECT_NN_ERROR(batches.Next(), "The batch 7 is broken");
    EXPECT_EQ(PositionOf(batches.Next()), 8);
  }
}

TEST(BatchPrefetcher, Errors)
{
  EXPECT_NN_ERROR(BatchPrefetcher(nullptr, 0, 1, 1, 1), "Batches need a source");
  EXPECT_NN_ERROR(BatchPrefetcher(std::make_shared<CountingSource>(), 0, 0, 1, 1), "should be at least 1, is 0");
}
