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
#include "itkNNVolumeData.h"

#include "itkNNVolumeTestHelpers.h"

#include <atomic>
#include <thread>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
namespace fs = std::filesystem;
using Volume = itk::Image<float, 3>;
using Labels = itk::Image<int, 3>;

class VolumeData : public VolumeTest
{
protected:
  /** Extents [2, 3, 4] with the values first + 0, 1, 2, ... in the order of the pixels. */
  std::string WriteRamp(const std::string & name, float first = 0) const
  {
    return this->WriteImage<Volume>(name,
                                    { { 4, 3, 2 } },
                                    [first](const Volume::IndexType & index)
                                    { return first + static_cast<float>(index[0] + 4 * index[1] + 12 * index[2]); });
  }

  std::string WriteLabels(const std::string & name, int step) const
  {
    return this->WriteImage<Labels>(
      name, { { 4, 3, 2 } }, [step](const Labels::IndexType & index) { return static_cast<int>(index[0]) * step; });
  }

  static VolumeCase MakeCase(std::vector<std::string> images, std::string label = "", std::string weight = "")
  {
    VolumeCase files;
    files.images = std::move(images);
    files.label = std::move(label);
    files.pixelWeight = std::move(weight);
    return files;
  }
};

std::vector<float>
Ramp(float first, std::size_t count = 24)
{
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
  {
    values[i] = first + static_cast<float>(i);
  }
  return values;
}
} // namespace

TEST_F(VolumeData, Lists)
{
  const std::string list = this->WriteText("list.csv",
                                           "image,label\r\n"
                                           "a.nii.gz,a_lab.nii.gz\r\n"
                                           "\r\n"
                                           "\"b, c.nii.gz\", \"the \"\"label\"\".nii.gz\"\r\n"
                                           "/data/d.mha,\r\n");
  const auto cases = ReadVolumeList(list, "/images");
  ASSERT_EQ(cases.size(), 3U);
  EXPECT_EQ(cases[0].images, std::vector<std::string>{ "/images/a.nii.gz" });
  EXPECT_EQ(cases[0].label, "/images/a_lab.nii.gz");
  EXPECT_EQ(cases[0].pixelWeight, "");
  EXPECT_EQ(cases[0].GetName(), "/images/a.nii.gz");
  EXPECT_EQ(cases[1].images, std::vector<std::string>{ "/images/b, c.nii.gz" });
  EXPECT_EQ(cases[1].label, "/images/the \"label\".nii.gz");
  EXPECT_EQ(cases[2].images, std::vector<std::string>{ "/data/d.mha" });
  EXPECT_EQ(cases[2].label, "");
  // Without a folder, names stay as they are.
  EXPECT_EQ(ReadVolumeList(list, "")[0].images, std::vector<std::string>{ "a.nii.gz" });
}

TEST_F(VolumeData, ListsOfSeveralModalities)
{
  const std::string list = this->WriteText("list.csv",
                                           "flair,t1,image_weight,pixel_weight,label\n"
                                           "f,t,0.5,w,l\n"
                                           "g,u,1,,m");
  const auto cases = ReadVolumeList(list, "x", 2);
  ASSERT_EQ(cases.size(), 2U);
  EXPECT_EQ(cases[0].images, (std::vector<std::string>{ "x/f", "x/t" }));
  EXPECT_EQ(cases[0].label, "x/l");
  EXPECT_EQ(cases[0].pixelWeight, "x/w");
  EXPECT_EQ(cases[1].images, (std::vector<std::string>{ "x/g", "x/u" }));
  EXPECT_EQ(cases[1].label, "x/m");
  EXPECT_EQ(cases[1].pixelWeight, "");
  EXPECT_EQ(ReadVolumeList(list, "x", 1)[0].images, std::vector<std::string>{ "x/f" });
}

TEST_F(VolumeData, ErrorsOfLists)
{
  EXPECT_NN_ERROR(ReadVolumeList(this->PathOf("absent.csv"), ""), "absent.csv' cannot be read");
  EXPECT_NN_ERROR(ReadVolumeList(this->WriteText("empty.csv", ""), ""), "empty.csv' has no case");
  EXPECT_NN_ERROR(ReadVolumeList(this->WriteText("header.csv", "image,label\n\n"), ""), "header.csv' has no case");
  const std::string list = this->WriteText("list.csv", "image,label\na,b\nc\n");
  EXPECT_NN_ERROR(ReadVolumeList(list, ""), "list.csv:3: there are 1 columns, should be 2");
  EXPECT_NN_ERROR(ReadVolumeList(list, "", 3), "list.csv:1: there are 2 columns, should be at least 3 of images");
  EXPECT_NN_ERROR(ReadVolumeList(list, "", 0), "list.csv': 0 modalities, should be at least 1");
  EXPECT_NN_ERROR(ReadVolumeList(this->WriteText("hole.csv", "a,b,label\nx,,z\n"), "", 2),
                  "hole.csv:2: column 2 is empty");
  EXPECT_NN_ERROR(ReadVolumeList(this->WriteText("quote.csv", "image,label\n\"a,b\n"), ""),
                  "quote.csv:2: there are 1 columns, should be 2");
  EXPECT_NN_ERROR(ReadVolumeList(this->WriteText("long.csv", std::string((std::size_t{ 1 } << 24) + 1, 'a')), ""),
                  "long.csv' is longer than 16 MiB");
}

TEST_F(VolumeData, FoldersInAlphabeticalOrder)
{
  for (const char * name : { "b.nii", "a.nii", "c.nii", ".hidden" })
  {
    this->WriteText(name, "");
  }
  fs::create_directory(m_Folder / "aa");
  const auto cases = FindVolumes(m_Folder.string());
  ASSERT_EQ(cases.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i)
  {
    EXPECT_EQ(cases[i].images,
              std::vector<std::string>{ this->PathOf(std::string(1, static_cast<char>('a' + i)) + ".nii") });
    EXPECT_EQ(cases[i].label, "");
  }
  EXPECT_NN_ERROR(FindVolumes((m_Folder / "aa").string()), "has no images");
  EXPECT_NN_ERROR(FindVolumes((m_Folder / "absent").string()), "cannot be read");
}

TEST_F(VolumeData, ReadsCases)
{
  const auto loaded = ReadVolumeCase(
    MakeCase({ this->WriteRamp("a.nii.gz") }, this->WriteLabels("l.mha", -2), this->WriteRamp("w.nii.gz", 0.5F)));
  EXPECT_NO_THROW(loaded.sample.Check());
  EXPECT_EQ(loaded.dimension, 3U);
  EXPECT_EQ(loaded.sample.image.GetShape(), (Shape{ 1, 2, 3, 4 }));
  EXPECT_EQ(loaded.sample.image.ToVector<float>(), Ramp(0));
  EXPECT_EQ(loaded.geometry->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 4, 3, 2 } }));
  EXPECT_NEAR(loaded.geometry->GetSpacing()[1], 2, 1e-6);
  ASSERT_EQ(loaded.sample.label.GetShape(), (Shape{ 1, 2, 3, 4 }));
  EXPECT_EQ(loaded.sample.label.GetDataType(), DataType::Int32);
  const auto labels = loaded.sample.label.ToVector<std::int32_t>();
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    EXPECT_EQ(labels[i], -2 * static_cast<std::int32_t>(i % 4));
  }
  EXPECT_EQ(loaded.sample.pixelWeight.ToVector<float>(), Ramp(0.5F));
  EXPECT_FALSE(loaded.sample.labelProbability.IsDefined());
  const auto bare = ReadVolumeCase(MakeCase({ this->PathOf("a.nii.gz") }));
  EXPECT_FALSE(bare.sample.label.IsDefined());
  EXPECT_FALSE(bare.sample.pixelWeight.IsDefined());
}

TEST_F(VolumeData, ModalitiesAndComponentsAreChannels)
{
  using Vectors = itk::Image<itk::Vector<float, 2>, 3>;
  const std::string vectors = this->WriteImage<Vectors>("v.mha",
                                                        { { 4, 3, 2 } },
                                                        [](const Vectors::IndexType & index)
                                                        {
                                                          const auto value =
                                                            static_cast<float>(index[0] + 4 * index[1] + 12 * index[2]);
                                                          Vectors::PixelType pixel;
                                                          pixel[0] = 100 + value;
                                                          pixel[1] = 200 + value;
                                                          return pixel;
                                                        });
  const auto loaded = ReadVolumeCase(MakeCase({ this->WriteRamp("a.nii.gz"), vectors, this->WriteRamp("b.mha", 300) }));
  ASSERT_EQ(loaded.sample.image.GetShape(), (Shape{ 4, 2, 3, 4 }));
  for (std::int64_t channel = 0; channel < 4; ++channel)
  {
    EXPECT_EQ(loaded.sample.image.Slice(0, channel, channel + 1).ToVector<float>(),
              Ramp(100 * static_cast<float>(channel)));
  }
  EXPECT_EQ(ReadVolumeCase(MakeCase({ vectors })).sample.image.GetShape(), (Shape{ 2, 2, 3, 4 }));
  EXPECT_NN_ERROR(ReadVolumeCase(MakeCase({ vectors }, vectors)), "v.mha' has 2 components, should have 1");
}

TEST_F(VolumeData, PicturesAreOneSlice)
{
  using Picture = itk::Image<unsigned char, 2>;
  const std::string name = this->WriteImage<Picture>("p.png",
                                                     { { 4, 3 } },
                                                     [](const Picture::IndexType & index)
                                                     { return static_cast<unsigned char>(index[0] + 4 * index[1]); });
  const auto loaded = ReadVolumeCase(MakeCase({ name }, name));
  EXPECT_EQ(loaded.dimension, 2U);
  EXPECT_EQ(loaded.sample.image.GetShape(), (Shape{ 1, 1, 3, 4 }));
  EXPECT_EQ(loaded.sample.image.ToVector<float>(), Ramp(0, 12));
  EXPECT_EQ(loaded.sample.label.GetShape(), (Shape{ 1, 1, 3, 4 }));
}

TEST_F(VolumeData, ErrorsOfCases)
{
  const std::string image = this->WriteRamp("a.nii.gz");
  const std::string other =
    this->WriteImage<Volume>("other.nii.gz", { { 4, 2, 3 } }, [](const auto &) { return 1.0F; });
  EXPECT_NN_ERROR(ReadVolumeCase({}), "A case has no image");
  EXPECT_NN_ERROR(ReadVolumeCase(MakeCase({ this->PathOf("absent.nii") })), "absent.nii");
  EXPECT_NN_ERROR(ReadVolumeCase(MakeCase({ image }, this->PathOf("absent.nii"))), "absent.nii");
  EXPECT_NN_ERROR(ReadVolumeCase(MakeCase({ this->WriteText("text.nii.gz", "no image") })), "text.nii.gz");
  for (const VolumeCase & files :
       { MakeCase({ image, other }), MakeCase({ image }, other), MakeCase({ image }, "", other) })
  {
    EXPECT_NN_ERROR(ReadVolumeCase(files),
                    "other.nii.gz' has the extents [3, 2, 4], should have those of the first image, [2, 3, 4]");
  }
  EXPECT_NN_ERROR(ReadVolumeCase(MakeCase({ image }, this->WriteRamp("half.nii.gz", 0.5F))),
                  "half.nii.gz' has a label 0.5, should be a whole number");
}

TEST_F(VolumeData, GreatLabels)
{
  const std::string image = this->WriteRamp("a.nii.gz");
  // A float cannot tell 16777217 from 16777216.
  const auto loaded = ReadVolumeCase(MakeCase({ image }, this->WriteLabels("great.mha", 16777215 / 3)));
  EXPECT_EQ(loaded.sample.label.ToVector<std::int32_t>()[3], 16777215);
  for (const int step : { 16777217, 700000000 })
  {
    EXPECT_NN_ERROR(
      ReadVolumeCase(MakeCase(
        { image }, this->WriteImage<Labels>("greater.mha", { { 4, 3, 2 } }, [step](const auto &) { return step; }))),
      "should be a whole number up to 16777215");
  }
}

TEST_F(VolumeData, CacheKeepsWhatWasReadLast)
{
  constexpr std::size_t bytes = 24 * sizeof(float);
  std::vector<VolumeCase> files;
  for (int i = 0; i < 3; ++i)
  {
    const std::string name = "v" + std::to_string(i) + ".nii.gz";
    files.push_back(MakeCase({ this->WriteRamp(name, 100.0F * static_cast<float>(i)) }));
  }
  const VolumeCache two(files, 2 * bytes);
  const VolumeCache none(files, bytes - 1);
  const VolumeCache all(files);
  EXPECT_EQ(two.GetNumberOfCases(), 3U);
  EXPECT_EQ(two.GetCase(1).GetName(), files[1].GetName());
  for (const VolumeCache * cache : { &two, &none, &all })
  {
    for (const std::size_t i : { 0U, 1U, 0U, 2U })
    {
      EXPECT_EQ(cache->Get(i).image.ToVector<float>(), Ramp(100.0F * static_cast<float>(i)));
    }
  }
  for (const VolumeCase & entry : files)
  {
    fs::remove(entry.GetName());
  }
  EXPECT_NN_ERROR(two.Get(0), "v0.nii.gz");
  for (const std::size_t i : { 0U, 1U, 2U })
  {
    EXPECT_EQ(all.Get(i).image.ToVector<float>(), Ramp(100.0F * static_cast<float>(i)));
    EXPECT_NN_ERROR(none.Get(i), "v" + std::to_string(i) + ".nii.gz");
    if (i > 0)
    {
      EXPECT_EQ(two.Get(i).image.ToVector<float>(), Ramp(100.0F * static_cast<float>(i)));
    }
  }
  EXPECT_NN_ERROR(VolumeCache({}), "There is no case");
}

TEST_F(VolumeData, CacheServesThreads)
{
  constexpr std::size_t count = 6;
  std::vector<VolumeCase> files;
  for (std::size_t i = 0; i < count; ++i)
  {
    files.push_back(MakeCase({ this->WriteRamp("v" + std::to_string(i) + ".mha", 100.0F * static_cast<float>(i)) }));
  }
  const VolumeCache cache(files, 3 * 24 * sizeof(float));
  std::atomic<int> right{ 0 };
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 4; ++thread)
  {
    threads.emplace_back(
      [&, thread]
      {
        for (std::size_t i = 0; i < 50; ++i)
        {
          const std::size_t number = (i * (thread + 1) + thread) % count;
          right += cache.Get(number).image.ToVector<float>() == Ramp(100.0F * static_cast<float>(number)) ? 1 : 0;
        }
      });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  EXPECT_EQ(right, 200);
}
