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
#include "itkNNManifestTaskSource.h"

#include "itkImageFileWriter.h"
#include "itkImageRegionIteratorWithIndex.h"
#include "itkJPEGImageIOFactory.h"
#include "itkNNTestHelpers.h"
#include "itkNiftiImageIOFactory.h"
#include "itkNrrdImageIOFactory.h"
#include "itkPNGImageIOFactory.h"
#include "itkRGBPixel.h"
#include "itkTIFFImageIOFactory.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

namespace
{
namespace fs = std::filesystem;
using itk::nn::ManifestSplit;
using itk::nn::ManifestTaskSource;
using itk::nn::RandomStream;
using itk::nn::TaskManifest;
using itk::nn::TaskRequest;
using itk::nn::Tensor;
using itk::nn::TrainingTask;
using Gray = itk::Image<unsigned char, 2>;
using Color = itk::Image<itk::RGBPixel<unsigned char>, 2>;
using Volume = itk::Image<short, 3>;

template <typename TImage>
void
WriteImage(const fs::path & fileName,
           const typename TImage::SizeType & size,
           const std::function<typename TImage::PixelType(const typename TImage::IndexType &)> & pixel)
{
  auto image = TImage::New();
  image->SetRegions(typename TImage::RegionType(size));
  image->Allocate();
  using Iterator = itk::ImageRegionIteratorWithIndex<TImage>;
  for (Iterator it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(pixel(it.GetIndex()));
  }
  fs::create_directories(fileName.parent_path());
  auto writer = itk::ImageFileWriter<TImage>::New();
  writer->SetFileName(fileName.string());
  writer->SetInput(image);
  writer->Update();
}

std::set<float>
ValuesOf(const Tensor & tensor)
{
  const auto * data = tensor.GetData<float>();
  return std::set<float>(data, data + tensor.GetNumberOfElements());
}

class ManifestTaskSourceTest : public testing::Test
{
protected:
  void SetUp() override
  {
    itk::JPEGImageIOFactory::RegisterOneFactory();
    itk::NiftiImageIOFactory::RegisterOneFactory();
    itk::NrrdImageIOFactory::RegisterOneFactory();
    itk::PNGImageIOFactory::RegisterOneFactory();
    itk::TIFFImageIOFactory::RegisterOneFactory();
    m_Folder = fs::path(UNIVERSEG_TEST_OUTPUT) / "ManifestTaskSource" /
               testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(m_Folder);
    fs::create_directories(m_Folder);
  }

  /** A 6 x 4 image whose pixels are all `id`; labels are 1 and 2 in columns 0 and
   * 1, and 3 in columns 2 and 3. */
  void WritePair(const std::string & name, unsigned char id) const
  {
    WriteImage<Gray>(m_Folder / "i" / (name + ".png"), { { 6, 4 } }, [id](const auto &) { return id; });
    WriteImage<Gray>(m_Folder / "l" / (name + ".png"),
                     { { 6, 4 } },
                     [](const auto & index)
                     {
                       const unsigned char labels[] = { 1, 2, 3, 3, 0, 0 };
                       return labels[index[0]];
                     });
  }

  TaskManifest MakeManifest(const std::string & keys, const std::string & head = "") const
  {
    const std::string fileName = (m_Folder / "data.toml").string();
    std::ofstream(fileName) << head << "[[dataset]]\nname = 'set'\nimages = 'i'\nlabels = 'l/{name}'\n" << keys << '\n';
    return TaskManifest::ReadFile(fileName);
  }

  TaskManifest ReadManifest(const std::string & text) const
  {
    const std::string fileName = (m_Folder / "data.toml").string();
    std::ofstream(fileName) << text;
    return TaskManifest::ReadFile(fileName);
  }

  std::string ErrorOf(const std::string & keys, const std::string & head = "") const
  {
    return itk::nn::test::ErrorOf(
      [&] { const ManifestTaskSource source(this->MakeManifest(keys, head), ManifestSplit::Train); });
  }

  fs::path m_Folder;
};

/** Which image each example of a task of WritePair() is. */
std::vector<int>
IdsOf(const TrainingTask & task)
{
  std::vector<int> ids;
  for (const auto & example : task.examples)
  {
    ids.push_back(static_cast<int>(*example.image.GetData<float>()));
  }
  return ids;
}

const std::string raw = "normalization.method = 'none'\n";
} // namespace

TEST_F(ManifestTaskSourceTest, DrawsDifferentSubjectsFirst)
{
  // Subjects a, b and c with two images each.
  for (const std::string name : { "a1", "a2", "b1", "b2", "c1", "c2" })
  {
    this->WritePair(name, static_cast<unsigned char>(10 * (name[0] - 'a' + 1) + name[1] - '0'));
  }
  const ManifestTaskSource source(this->MakeManifest(raw + "subject = '^.'\nstructures = { s = ['1..2'] }"),
                                  ManifestSplit::Train);
  RandomStream random(1);
  std::set<int> targets;
  for (int i = 0; i < 100; ++i)
  {
    const TrainingTask task = source.Sample(random, { 3, 4, 6 });
    EXPECT_EQ(task.name, "set, s, axis 2");
    std::set<int> subjects;
    for (const int id : IdsOf(task))
    {
      subjects.insert(id / 10);
    }
    EXPECT_EQ(subjects.size(), 3U);
    targets.insert(IdsOf(task)[0]);

    const std::vector<int> six = IdsOf(source.Sample(random, { 6, 4, 6 }));
    EXPECT_EQ(std::set<int>(six.begin(), six.end()).size(), 6U);
    const std::vector<int> nine = IdsOf(source.Sample(random, { 9, 4, 6 }));
    EXPECT_EQ(std::set<int>(nine.begin(), nine.end()).size(), 6U);
    EXPECT_EQ(std::count(nine.begin(), nine.end(), nine[0]), 1) << "the target is in its support set";
  }
  EXPECT_EQ(targets.size(), 6U);
  EXPECT_EQ(source.Describe(),
            "set: 3 subjects, 6 images, 100.0 % of the tasks\n  s, axis 2: 6 slices of 3 subjects\n");
}

TEST_F(ManifestTaskSourceTest, MakesImagesAndLabelsOfTheSizeAskedFor)
{
  this->WritePair("a", 7);
  this->WritePair("b", 7);
  const ManifestTaskSource source(this->MakeManifest(raw + "structures = { s = [1, 2] }"), ManifestSplit::Train);
  RandomStream random(1);
  TrainingTask task = source.Sample(random, { 1, 4, 6 });
  ASSERT_EQ(task.examples.size(), 1U);
  const auto * label = task.examples[0].label.GetData<float>();
  EXPECT_EQ(std::vector<float>(label, label + 12), (std::vector<float>{ 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0 }));
  task = source.Sample(random, { 2, 8, 3 });
  EXPECT_EQ(task.examples[1].image.GetShape(), (itk::nn::Shape{ 8, 3 }));
  EXPECT_EQ(task.examples[1].label.GetShape(), (itk::nn::Shape{ 8, 3 }));
  EXPECT_EQ(ValuesOf(task.examples[1].image), std::set<float>{ 7 });
  label = task.examples[1].label.GetData<float>();
  EXPECT_EQ(std::vector<float>(label, label + 3), (std::vector<float>{ 1, 0, 0 }));
  EXPECT_NN_ERROR(source.Sample(random, { 0, 4, 4 }), "asked for 0 examples");
  EXPECT_NN_ERROR(source.Sample(random, { 1, 4, 0 }), "4 x 0 pixels; should be at least 1");
}

TEST_F(ManifestTaskSourceTest, ATaskDependsOnTheSeedAlone)
{
  for (int i = 0; i < 8; ++i)
  {
    this->WritePair(std::to_string(i), static_cast<unsigned char>(i));
  }
  const ManifestTaskSource source(this->MakeManifest(raw), ManifestSplit::Train);
  const RandomStream root(5);
  std::set<std::vector<int>> tasks;
  for (std::uint64_t i = 0; i < 20; ++i)
  {
    RandomStream first = root.Derive(i);
    RandomStream second = root.Derive(i);
    const TaskRequest request{ 4, 4, 6 };
    const TrainingTask task = source.Sample(first, request);
    EXPECT_EQ(IdsOf(source.Sample(second, request)), IdsOf(task));
    tasks.insert(IdsOf(task));
  }
  EXPECT_GT(tasks.size(), 15U);
}

TEST_F(ManifestTaskSourceTest, EveryValueIsAStructureWithoutNames)
{
  this->WritePair("a", 1);
  this->WritePair("b", 2);
  const ManifestTaskSource source(this->MakeManifest(raw), ManifestSplit::Train);
  EXPECT_EQ(source.Describe(),
            "set: 2 subjects, 2 images, 100.0 % of the tasks\n  1, axis 2: 2 slices of 2 subjects\n"
            "  2, axis 2: 2 slices of 2 subjects\n  3, axis 2: 2 slices of 2 subjects\n");
}

TEST_F(ManifestTaskSourceTest, SplitsSubjects)
{
  for (int i = 0; i < 6; ++i)
  {
    this->WritePair(std::to_string(i), static_cast<unsigned char>(i));
  }
  const TaskManifest manifest = this->MakeManifest(raw + "subject = '^.'\nsplit.validation = ['[01]']");
  const ManifestTaskSource train(manifest, ManifestSplit::Train);
  const ManifestTaskSource validation(manifest, ManifestSplit::Validation);
  RandomStream random(1);
  for (int i = 0; i < 30; ++i)
  {
    EXPECT_GT(IdsOf(train.Sample(random, { 1, 4, 6 }))[0], 1);
    EXPECT_LE(IdsOf(validation.Sample(random, { 1, 4, 6 }))[0], 1);
  }
  EXPECT_NE(validation.GetName().find("data.toml (validation)"), std::string::npos);
  EXPECT_NN_ERROR(ManifestTaskSource(this->MakeManifest(raw), ManifestSplit::Validation),
                  "no data set with a weight above 0 has tasks for validation");
}

TEST_F(ManifestTaskSourceTest, CutsVolumesAcrossAxes)
{
  // The structure is at x = 1, y from 0 to 2, z from 2 to 3.
  WriteImage<Volume>(m_Folder / "i/v.nii.gz",
                     { { 4, 5, 6 } },
                     [](const auto & index)
                     { return static_cast<short>(100 * index[2] + 10 * index[1] + index[0] - 300); });
  WriteImage<Volume>(m_Folder / "l/v.nii.gz",
                     { { 4, 5, 6 } },
                     [](const auto & index)
                     { return static_cast<short>(index[0] == 1 && index[1] < 3 && index[2] / 2 == 1 ? 300 : 0); });
  const ManifestTaskSource source(this->MakeManifest(raw), ManifestSplit::Train);
  EXPECT_EQ(source.Describe(),
            "set: 1 subjects, 1 images, 100.0 % of the tasks\n  300, axis 1: 3 slices of 1 subjects\n"
            "  300, axis 2: 2 slices of 1 subjects\n");
  RandomStream random(3);
  std::set<std::string> names;
  for (int i = 0; i < 20; ++i)
  {
    const TrainingTask task = source.Sample(random, { 2, 6, 4 });
    names.insert(task.name);
    const auto * image = task.examples[0].image.GetData<float>();
    const auto * label = task.examples[0].label.GetData<float>();
    EXPECT_NE(image[0], *task.examples[1].image.GetData<float>());
    if (task.name == "set, 300, axis 1")
    {
      EXPECT_EQ(image[4 * 2 + 1] - image[0], 201);
      EXPECT_EQ(label[4 * 2 + 1], 1);
      EXPECT_EQ(std::count(label, label + 24, 1.0F), 2);
    }
  }
  EXPECT_EQ(names, (std::set<std::string>{ "set, 300, axis 1", "set, 300, axis 2" }));
  const ManifestTaskSource across(this->MakeManifest(raw + "axes = [2]\nminimum-area = 0.15"), ManifestSplit::Train);
  EXPECT_EQ(across.Sample(random, { 2, 6, 4 }).name, "set, 300, axis 2");
  EXPECT_NE(this->ErrorOf("minimum-area = 0.2").find("no structure has two slices where it covers"), std::string::npos);
}

TEST_F(ManifestTaskSourceTest, ReadsColours)
{
  using Pixel = itk::RGBPixel<unsigned char>;
  const auto make = [](unsigned char r, unsigned char g, unsigned char b)
  {
    Pixel pixel;
    pixel.Set(r, g, b);
    return pixel;
  };
  for (const std::string name : { "a.png", "b.png" })
  {
    WriteImage<Color>(m_Folder / "i" / name, { { 4, 4 } }, [&](const auto &) { return make(255, 0, 0); });
    WriteImage<Color>(m_Folder / "l" / name,
                      { { 4, 4 } },
                      [&](const auto & index)
                      { return index[0] == 0 ? make(255, 0, 0)
                             : index[0] == 1 ? make(0, 128, 7)
                                             : make(0, 0, 0); });
  }
  const ManifestTaskSource source(this->MakeManifest(raw + "kind = 'rgb'\nstructures = { x = ['0,128,7'] }"),
                                  ManifestSplit::Train);
  RandomStream random(1);
  const TrainingTask task = source.Sample(random, { 1, 4, 4 });
  EXPECT_NEAR(*task.examples[0].image.GetData<float>(), 0.299 * 255, 0.01);
  const auto * label = task.examples[0].label.GetData<float>();
  EXPECT_EQ(std::vector<float>(label, label + 4), (std::vector<float>{ 0, 1, 0, 0 }));

  const std::string rgb = "kind = 'rgb'\nstructures = ";
  EXPECT_NE(this->ErrorOf(rgb + "{ x = '9,9,9' }")
              .find("structure 'x' occurs in no file of labels; their values are 0,0,0 0,128,7 255,0,0"),
            std::string::npos);
  EXPECT_NE(this->ErrorOf(rgb + "{ x = '9,9' }").find("has the value '9,9'; should be red, green and blue"),
            std::string::npos);
  EXPECT_NE(this->ErrorOf(rgb + "{ x = '9,9,256' }").find("should be red, green and blue"), std::string::npos);
  EXPECT_NE(this->ErrorOf("").find("a.png: the labels are in colour; should be gray"), std::string::npos);
}

TEST_F(ManifestTaskSourceTest, ReadsBinaryLabels)
{
  for (const std::string name : { "a", "b" })
  {
    this->WritePair(name, 1);
    WriteImage<Gray>(m_Folder / "l" / (name + ".png"),
                     { { 6, 4 } },
                     [](const auto & index) { return static_cast<unsigned char>(50 * index[0]); });
  }
  const ManifestTaskSource source(this->MakeManifest(raw + "kind = 'binary'"), ManifestSplit::Train);
  RandomStream random(1);
  const TrainingTask task = source.Sample(random, { 1, 4, 6 });
  EXPECT_EQ(task.name, "set, foreground, axis 2");
  const auto * label = task.examples[0].label.GetData<float>();
  EXPECT_EQ(std::vector<float>(label, label + 6), (std::vector<float>{ 0, 0, 0, 1, 1, 1 }));
  EXPECT_NE(this->ErrorOf("kind = 'binary'\nstructures = { a = 1, b = 2 }").find("'structures' has 2 names"),
            std::string::npos);
}

TEST_F(ManifestTaskSourceTest, NormalizesIntensities)
{
  for (const std::string name : { "a", "b" })
  {
    this->WritePair(name, 1);
    WriteImage<Gray>(m_Folder / "i" / (name + ".png"),
                     { { 6, 4 } },
                     [](const auto & index) { return static_cast<unsigned char>(10 + 10 * index[0]); });
  }
  RandomStream random(1);
  const auto first = [&](const std::string & normalization)
  {
    const ManifestTaskSource source(this->MakeManifest("normalization = { " + normalization + " }"),
                                    ManifestSplit::Train);
    const TrainingTask task = source.Sample(random, { 1, 4, 6 });
    const auto * image = task.examples[0].image.GetData<float>();
    return std::pair<float, float>(image[0], image[5]);
  };
  EXPECT_EQ(first("method = 'minmax'"), (std::pair<float, float>(0, 1)));
  EXPECT_EQ(first("method = 'minmax-volume'"), (std::pair<float, float>(0, 1)));
  EXPECT_EQ(first("method = 'percentile', low = 10, high = 90"), (std::pair<float, float>(0, 1)));
  EXPECT_EQ(first("method = 'window', low = 0, high = 100").first, 0.1F);
}

TEST_F(ManifestTaskSourceTest, NamesWhatIsWrong)
{
  this->WritePair("a", 1);
  EXPECT_NE(this->ErrorOf("").find("data.toml:1: data set 'set': no structure has two slices"), std::string::npos);
  this->WritePair("b", 2);
  const auto errorHas = [this](const std::string & keys, const std::string & text, const std::string & head = "")
  {
    const std::string error = this->ErrorOf(keys, head);
    EXPECT_NE(error.find(text), std::string::npos) << error;
  };
  errorHas("structures = { x = 9 }", "structure 'x' occurs in no file of labels; their values are 0 1 2 3");
  errorHas("structures = { x = 'y' }", "has the value 'y'; should be an integer or a range such as '4..7'");
  errorHas("structures = { x = '7..4' }", "has the range '7..4', which is empty");
  errorHas("structures = { x = [] }", "structure 'x' has no values");
  errorHas("kind = 'rgb'", "the labels are gray; should be in colour");
  errorHas("weight = 0", "no data set with a weight above 0 has tasks for train");
  WriteImage<Gray>(m_Folder / "l/b.png", { { 5, 4 } }, [](const auto &) { return static_cast<unsigned char>(1); });
  errorHas("", "b.png: the labels have 5 x 4 x 1 pixels, and the image ");
  errorHas("", "has 6 x 4 x 1; should be the same");
  std::ofstream(m_Folder / "l/b.png") << "no image";
  errorHas("", "b.png: ");
  fs::remove(m_Folder / "l/b.png");
  errorHas("", "and there is no such file");
  this->WritePair("b", 2);
  WriteImage<itk::Image<float, 3>>(m_Folder / "i/c.nii", { { 3, 3, 3 } }, [](const auto &) { return 1.5F; });
  WriteImage<itk::Image<float, 3>>(m_Folder / "l/c.nii", { { 3, 3, 3 } }, [](const auto &) { return 1.5F; });
  errorHas("", "c.nii: not labels of kind 'label map': there is the value 1.5; should be integers");
  WriteImage<Volume>(m_Folder / "l/c.nii", { { 3, 3, 3 } }, [](const auto &) { return static_cast<short>(1); });
  EXPECT_EQ(this->ErrorOf(""), "");
  WriteImage<Volume>(m_Folder / "i/c.nii", { { 999, 999, 3 } }, [](const auto &) { return static_cast<short>(1); });
  WriteImage<Volume>(m_Folder / "l/c.nii", { { 999, 999, 3 } }, [](const auto &) { return static_cast<short>(1); });
  errorHas("", "the images need more than the 1 MiB that 'memory-limit' allows", "memory-limit = 1\n");
}

TEST_F(ManifestTaskSourceTest, SamplesRealData)
{
  const char * data = std::getenv("UNIVERSEG_DATA_DIR");
  if (data == nullptr)
  {
    GTEST_SKIP() << "UNIVERSEG_DATA_DIR is not set";
  }
  const std::string root = "root = '" + std::string(data) + "'\n";
  const std::string sets[] = {
    "name = 'dsb2018'\nimages = 'dsb2018/*/*.png'\nexclude = ['*_mask.png']\nlabels = '{folder}/{stem}_mask.png'\n"
    "kind = 'binary'\n",
    "name = 'hvsmr'\nimages = 'hvsmr/images'\nlabels = 'hvsmr/masks/{name}'\nsubject = '^[0-9]+'\nkind = 'rgb'\n"
    "split.validation = ['10002']\nstructures = { LV = '255,0,0', RV = '0,0,255', aorta = '0,255,0' }\n",
    "name = 'spider'\nimages = 'spider/images'\nlabels = 'spider/masks/{name}'\nsubject = '^[0-9]+'\nkind = 'rgb'\n"
    "structures = { canal = '40,128,40', discs = ['128,128,0', '0,128,128', '128,0,128', '40,40,40'] }\n"
  };
  for (const auto & set : sets)
  {
    const ManifestTaskSource source(this->ReadManifest(root + "[[dataset]]\n" + set), ManifestSplit::Train);
    RandomStream random(1);
    for (int i = 0; i < 10; ++i)
    {
      const TrainingTask task = source.Sample(random, { 5, 64, 64 });
      ASSERT_EQ(task.examples.size(), 5U);
      for (const auto & example : task.examples)
      {
        EXPECT_EQ(*ValuesOf(example.image).begin(), 0);
        EXPECT_EQ(*ValuesOf(example.image).rbegin(), 1);
        EXPECT_EQ(ValuesOf(example.label), (std::set<float>{ 0, 1 })) << task.name;
      }
    }
  }
}

TEST_F(ManifestTaskSourceTest, TheManifestOfOpenDataHasTasks)
{
  if (std::getenv("UNIVERSEG_DATA_DIR") == nullptr)
  {
    GTEST_SKIP() << "UNIVERSEG_DATA_DIR is not set";
  }
  const TaskManifest manifest = TaskManifest::ReadFile(UNIVERSEG_TEST_EXAMPLES "/Training/open-data.toml");
  for (const ManifestSplit split : { ManifestSplit::Train, ManifestSplit::Validation })
  {
    const ManifestTaskSource source(manifest, split);
    RandomStream random(1);
    std::set<std::string> sets;
    for (int i = 0; i < 50; ++i)
    {
      const TrainingTask task = source.Sample(random, { 4, 64, 64 });
      sets.insert(task.name.substr(0, task.name.find(',')));
    }
    EXPECT_GT(sets.size(), split == ManifestSplit::Train ? 6U : 3U);
  }
}
