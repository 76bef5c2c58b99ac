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
#include "itkNNFilterRun.h"

#include "itkFilteringTestHelpers.h"
#include "itkImageSource.h"
#include "itkMultiThreaderBase.h"
#include "itkUniverSegMacros.h"

using namespace itk::test;

namespace
{
/** Makes an image of four pixels, and then what it is told. */
class Source : public itk::ImageSource<itk::Image<float, 2>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(Source);
  using Self = Source;
  using Superclass = itk::ImageSource<itk::Image<float, 2>>;
  using Pointer = itk::SmartPointer<Self>;
  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(Source);

  std::function<void()> body;

protected:
  Source() = default;
  void GenerateOutputInformation() override
  {
    this->GetOutput()->SetLargestPossibleRegion(itk::Size<2>{ { 2, 2 } });
  }
  void GenerateData() override
  {
    itk::nn::RunFilter(*this,
                       "test",
                       [this]
                       {
                         this->AllocateOutputs();
                         body();
                       });
  }
};
} // namespace

TEST(FilterRun, ReleasesTheOutputsOfWhatFails)
{
  const auto source = Source::New();
  const auto pixels = [&] { return source->GetOutput()->GetBufferedRegion().GetNumberOfPixels(); };
  source->body = [] {};
  source->Update();
  EXPECT_EQ(pixels(), 4U);
  source->Modified();
  source->body = [] { itkNNThrowMacro("It does not work"); };
  EXPECT_ERROR(source->Update(), "It does not work");
  EXPECT_EQ(pixels(), 0U);
  source->body = [] { throw itk::nn::Cancelled(__FILE__, __LINE__, "stop"); };
  try
  {
    source->Update();
    FAIL() << "nothing was thrown";
  }
  catch (const itk::ProcessAborted & aborted)
  {
    EXPECT_STREQ(aborted.GetDescription(), "The test was aborted; its outputs have been released");
  }
  EXPECT_EQ(pixels(), 0U);
}

TEST(FilterRun, ThreadsAndHooks)
{
  const auto source = Source::New();
  source->GetMultiThreader()->SetMaximumNumberOfThreads(3);
  source->SetNumberOfWorkUnits(12);
  EXPECT_EQ(itk::nn::GetPlanThreads(*source), 3U);
  source->SetNumberOfWorkUnits(2);
  EXPECT_EQ(itk::nn::GetPlanThreads(*source), 2U);
  const itk::nn::RunHooks hooks = itk::nn::MakeRunHooks(*source);
  EXPECT_FALSE(hooks.isCancelled());
  source->AbortGenerateDataOn();
  EXPECT_TRUE(hooks.isCancelled());
  hooks.progress(0.25);
  EXPECT_EQ(source->GetProgress(), 0.25F);
}
