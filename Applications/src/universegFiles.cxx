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
#include "universegFiles.h"

#include "universegCommandLine.h"

#include "itkNNFileReplacement.h"
#include "itkNNText.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;

bool
IsDigit(char c)
{
  return c >= '0' && c <= '9';
}

bool
EndsWith(const std::string & text, const std::string & end)
{
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/** The suffix at the end of a stem; empty when there is none. */
std::string
FindSuffix(const std::string & stem, const std::string & only)
{
  if (!only.empty())
  {
    return stem.size() > only.size() && EndsWith(stem, only) ? only : "";
  }
  const std::string lower = itk::nn::ToLower(stem);
  for (const char * word : { "mask", "masks", "label", "labels", "seg", "segmentation", "gt" })
  {
    for (const char * separator : { "_", "-" })
    {
      const std::string suffix = separator + std::string(word);
      if (stem.size() > suffix.size() && EndsWith(lower, suffix))
      {
        return stem.substr(stem.size() - suffix.size());
      }
    }
  }
  return "";
}

std::string
FindSubfolder(const std::string & folder, const std::vector<std::string> & names)
{
  for (const std::string & name : names)
  {
    const fs::path path = fs::path(folder) / name;
    if (fs::is_directory(path))
    {
      return path.string();
    }
  }
  return "";
}

std::string
FileName(const std::string & path)
{
  return fs::path(path).filename().string();
}

[[noreturn]] void
FailUnmatched(const std::string & folder, const std::vector<std::string> & files, const std::string & what)
{
  throw Failure(folder + ": " + std::to_string(files.size()) + " of the files have no " + what + ", the first is '" +
                FileName(files.front()) + "'");
}

std::vector<FilePair>
PairFolders(const std::string & images, const std::string & masks, const std::string & suffix)
{
  std::map<std::string, std::string> bySubject;
  for (const std::string & mask : ListImages(masks))
  {
    const bool added = bySubject.emplace(GetSubject(mask, suffix), mask).second;
    if (!added)
    {
      throw Failure(masks + ": there is more than one mask for '" + GetSubject(mask, suffix) + "'");
    }
  }
  std::vector<FilePair> pairs;
  std::vector<std::string> unmatched;
  for (const std::string & image : ListImages(images))
  {
    // MSD marks the channel of an image, which its label does not have.
    std::string subject = GetStem(image);
    auto found = bySubject.find(subject);
    if (found == bySubject.end() && EndsWith(subject, "_0000"))
    {
      found = bySubject.find(subject.substr(0, subject.size() - 5));
    }
    if (found == bySubject.end())
    {
      unmatched.push_back(image);
      continue;
    }
    pairs.push_back({ image, found->second });
    bySubject.erase(found);
  }
  if (!unmatched.empty())
  {
    FailUnmatched(images, unmatched, "mask in '" + masks + "'");
  }
  if (!bySubject.empty())
  {
    std::vector<std::string> left;
    for (const auto & entry : bySubject)
    {
      left.push_back(entry.second);
    }
    FailUnmatched(masks, left, "image in '" + images + "'");
  }
  return pairs;
}

std::vector<FilePair>
PairBySuffix(const std::string & folder, const std::vector<std::string> & files, const std::string & suffix)
{
  std::map<std::string, std::string> masks;
  std::vector<std::string> images;
  for (const std::string & file : files)
  {
    const std::string stem = GetStem(file);
    const std::string found = FindSuffix(stem, suffix);
    if (found.empty())
    {
      images.push_back(file);
    }
    else if (!masks.emplace(stem.substr(0, stem.size() - found.size()), file).second)
    {
      throw Failure(folder + ": there is more than one mask for '" + stem.substr(0, stem.size() - found.size()) + "'");
    }
  }
  if (masks.empty())
  {
    return {};
  }
  std::vector<FilePair> pairs;
  std::set<std::string> paired;
  std::vector<std::string> unmatched;
  for (const std::string & image : images)
  {
    const auto found = masks.find(GetStem(image));
    if (found == masks.end())
    {
      unmatched.push_back(image);
      continue;
    }
    pairs.push_back({ image, found->second });
    paired.insert(found->first);
    masks.erase(found);
  }
  if (!suffix.empty())
  {
    const auto isAboutAnother = [&](const std::string & file)
    {
      const std::string stem = GetStem(file);
      return std::any_of(paired.begin(),
                         paired.end(),
                         [&](const std::string & subject)
                         {
                           return stem.size() > subject.size() && stem.compare(0, subject.size(), subject) == 0 &&
                                  (stem[subject.size()] == '_' || stem[subject.size()] == '-');
                         });
    };
    unmatched.erase(std::remove_if(unmatched.begin(), unmatched.end(), isAboutAnother), unmatched.end());
  }
  if (!unmatched.empty())
  {
    FailUnmatched(folder, unmatched, "mask");
  }
  if (!masks.empty())
  {
    std::vector<std::string> left;
    for (const auto & entry : masks)
    {
      left.push_back(entry.second);
    }
    FailUnmatched(folder, left, "image");
  }
  return pairs;
}

std::vector<FilePair>
PairByExtension(const std::string & folder, const std::vector<std::string> & files)
{
  std::map<std::string, std::vector<std::string>> byStem;
  std::vector<std::string> order;
  for (const std::string & file : files)
  {
    auto & group = byStem[GetStem(file)];
    if (group.empty())
    {
      order.push_back(GetStem(file));
    }
    group.push_back(file);
  }
  std::vector<FilePair> pairs;
  std::vector<std::string> unmatched;
  for (const std::string & stem : order)
  {
    std::vector<std::string> group = byStem[stem];
    const auto mask =
      std::partition(group.begin(), group.end(), [](const std::string & f) { return GetImageExtension(f) != ".png"; });
    if (group.size() == 2 && mask == group.begin() + 1)
    {
      pairs.push_back({ group[0], group[1] });
    }
    else
    {
      unmatched.insert(unmatched.end(), group.begin(), group.end());
    }
  }
  if (!unmatched.empty())
  {
    FailUnmatched(folder,
                  unmatched,
                  "partner: expected subfolders 'images' and 'labels', or NAME.EXT with NAME_mask.EXT, or NAME.EXT "
                  "with NAME.png");
  }
  return pairs;
}
} // namespace

bool
NaturalLess(const std::string & a, const std::string & b)
{
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size())
  {
    if (IsDigit(a[i]) && IsDigit(b[j]))
    {
      std::size_t iEnd = i;
      std::size_t jEnd = j;
      while (i < a.size() && a[i] == '0')
      {
        ++i;
      }
      while (j < b.size() && b[j] == '0')
      {
        ++j;
      }
      iEnd = i;
      jEnd = j;
      while (iEnd < a.size() && IsDigit(a[iEnd]))
      {
        ++iEnd;
      }
      while (jEnd < b.size() && IsDigit(b[jEnd]))
      {
        ++jEnd;
      }
      if (iEnd - i != jEnd - j)
      {
        return iEnd - i < jEnd - j;
      }
      const int order = a.compare(i, iEnd - i, b, j, jEnd - j);
      if (order != 0)
      {
        return order < 0;
      }
      i = iEnd;
      j = jEnd;
    }
    else
    {
      if (a[i] != b[j])
      {
        return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      }
      ++i;
      ++j;
    }
  }
  if ((i < a.size()) != (j < b.size()))
  {
    return j < b.size();
  }
  return a < b;
}

std::string
GetImageExtension(const std::string & path)
{
  const std::string name = itk::nn::ToLower(FileName(path));
  for (const char * extension : { ".nii.gz",
                                  ".png",
                                  ".bmp",
                                  ".jpg",
                                  ".jpeg",
                                  ".tif",
                                  ".tiff",
                                  ".nii",
                                  ".nrrd",
                                  ".nhdr",
                                  ".mha",
                                  ".mhd",
                                  ".dcm" })
  {
    if (name.size() > std::string(extension).size() && EndsWith(name, extension))
    {
      return extension;
    }
  }
  return "";
}

std::string
GetStem(const std::string & path)
{
  const std::string name = FileName(path);
  const std::string extension = GetImageExtension(path);
  return extension.empty() ? fs::path(path).stem().string() : name.substr(0, name.size() - extension.size());
}

std::string
GetSubject(const std::string & path, const std::string & suffix)
{
  const std::string stem = GetStem(path);
  return stem.substr(0, stem.size() - FindSuffix(stem, suffix).size());
}

std::vector<std::string>
ListImages(const std::string & folder)
{
  if (!fs::is_directory(folder))
  {
    throw Failure(folder + ": there is no such folder");
  }
  std::vector<std::string> files;
  for (const auto & entry : fs::directory_iterator(folder))
  {
    const std::string path = entry.path().string();
    if (entry.is_regular_file() && FileName(path).front() != '.' && !GetImageExtension(path).empty())
    {
      files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end(), NaturalLess);
  return files;
}

std::vector<FilePair>
FindPairs(const std::string & folder, const std::string & suffix)
{
  if (!fs::is_directory(folder))
  {
    throw Failure(folder + ": there is no such folder");
  }
  std::vector<FilePair> pairs;
  const std::string images = FindSubfolder(folder, { "images", "imagesTr" });
  const std::string masks = FindSubfolder(folder, { "labels", "masks", "segmentations", "labelsTr" });
  if (!images.empty() && !masks.empty())
  {
    pairs = PairFolders(images, masks, suffix);
  }
  else
  {
    const std::vector<std::string> files = ListImages(folder);
    pairs = PairBySuffix(folder, files, suffix);
    if (pairs.empty() && suffix.empty())
    {
      pairs = PairByExtension(folder, files);
    }
  }
  if (pairs.empty())
  {
    throw Failure(folder + ": there are no pairs of an image and a mask" +
                  (suffix.empty() ? std::string() : " with the suffix '" + suffix + "'"));
  }
  return pairs;
}

std::string
FindMask(const std::string & folder, const std::string & name, const std::string & suffix)
{
  const std::string subject = GetSubject(name);
  const std::string subfolder = FindSubfolder(folder, { "labels", "masks", "segmentations", "labelsTr" });
  const std::string place = subfolder.empty() ? folder : subfolder;
  std::vector<std::string> withSuffix;
  std::vector<std::string> plain;
  for (const std::string & file : ListImages(place))
  {
    const std::string stem = GetStem(file);
    if (stem == subject)
    {
      plain.push_back(file);
    }
    else if (GetSubject(file, suffix) == subject)
    {
      withSuffix.push_back(file);
    }
  }
  std::vector<std::string> found = withSuffix.empty() && suffix.empty() ? plain : withSuffix;
  if (found.size() > 1)
  {
    found.erase(std::remove_if(found.begin(),
                               found.end(),
                               [](const std::string & file) { return GetImageExtension(file) != ".png"; }),
                found.end());
  }
  if (found.size() != 1)
  {
    throw Failure(place + ": there is " + (found.empty() ? "no" : "more than one") + " mask for '" + subject + "'");
  }
  return found.front();
}

void
CheckNotInput(const std::string & output, const std::vector<std::string> & inputs)
{
  const bool isInput = std::any_of(inputs.begin(),
                                   inputs.end(),
                                   [&output](const std::string & input)
                                   {
                                     std::error_code ignored;
                                     return fs::equivalent(output, input, ignored);
                                   });
  if (isInput)
  {
    throw Failure(output + ": the output would replace an input");
  }
}

bool
IsSameFile(const std::string & a, const std::string & b)
{
  std::error_code ignored; // hard links
  return itk::nn::FollowSymbolicLinks(a) == itk::nn::FollowSymbolicLinks(b) || fs::equivalent(a, b, ignored);
}
} // namespace universeg
