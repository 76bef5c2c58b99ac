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
#include "itkNNTaskManifest.h"

#include "itkNNError.h"
#include "itkNNRandomStream.h"
#include "itkNNText.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>

namespace itk
{
namespace nn
{
namespace
{
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

/** Whether a name matches a pattern of * (any characters) and ? (one character).
 * \param parts what each * stands for. */
bool
MatchesWildcards(const std::string & pattern, const std::string & name, Strings & parts)
{
  parts.clear();
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string::npos;
  std::size_t begin = 0; // of what the last star stands for
  const auto finishStar = [&](std::size_t length) { parts.push_back(name.substr(begin, length)); };
  std::size_t end = 0;
  while (n < name.size() || p < pattern.size())
  {
    if (p < pattern.size() && pattern[p] == '*')
    {
      if (star != std::string::npos)
      {
        finishStar(end - begin);
      }
      star = p++;
      begin = end = n;
    }
    else if (p < pattern.size() && n < name.size() && (pattern[p] == '?' || pattern[p] == name[n]))
    {
      ++p;
      ++n;
    }
    else if (star != std::string::npos && end < name.size())
    {
      // Only the last star has to give way: a shorter part of an earlier one does
      // not let more names match.
      p = star + 1;
      n = ++end;
    }
    else
    {
      return false;
    }
  }
  if (star != std::string::npos)
  {
    finishStar(end - begin);
  }
  return true;
}

bool
HasWildcards(const std::string & text)
{
  return text.find_first_of("*?") != std::string::npos;
}

struct FoundFile
{
  fs::path path;
  Strings parts; ///< what each * of the pattern stands for
};

/** Entries of a folder by name, without hidden ones. */
std::vector<fs::path>
ListFolder(const fs::path & folder)
{
  std::vector<fs::path> entries;
  std::error_code failure;
  for (fs::directory_iterator entry(folder.empty() ? "." : folder, failure), end; !failure && entry != end;
       entry.increment(failure))
  {
    if (entry->path().filename().string().front() != '.')
    {
      entries.push_back(entry->path().filename());
    }
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<FoundFile>
ExpandPattern(const fs::path & root, const std::string & pattern)
{
  std::vector<FoundFile> found{ { root, {} } };
  for (const fs::path & component : fs::path(pattern))
  {
    std::vector<FoundFile> next;
    for (const FoundFile & file : found)
    {
      if (!HasWildcards(component.string()))
      {
        next.push_back({ file.path / component, file.parts });
        continue;
      }
      for (const fs::path & entry : ListFolder(file.path))
      {
        Strings parts;
        if (MatchesWildcards(component.string(), entry.string(), parts))
        {
          parts.insert(parts.begin(), file.parts.begin(), file.parts.end());
          next.push_back({ file.path / entry, std::move(parts) });
        }
      }
    }
    found = std::move(next);
  }
  std::error_code failure;
  found.erase(std::remove_if(found.begin(),
                             found.end(),
                             [&failure](const FoundFile & file) { return !fs::is_regular_file(file.path, failure); }),
              found.end());
  return found;
}

/** Without the extension, which has two parts for packed files. */
std::string
GetStem(const fs::path & file)
{
  const fs::path name = file.filename();
  return ToLower(name.extension().string()) == ".gz" ? name.stem().stem().string() : name.stem().string();
}

/** Of a file, relative to the root. */
std::string
GetFolder(const fs::path & file, const fs::path & root)
{
  return file.parent_path().lexically_relative(root).generic_string();
}

/** Throws Error when it is none. */
std::regex
MakeRegex(const std::string & pattern, const std::string & key)
{
  try
  {
    return std::regex(pattern);
  }
  catch (const std::regex_error &)
  {
    itkNNThrowMacro("'" << key << "' is '" << pattern << "'; should be a regular expression");
  }
}

bool
MatchesAny(const std::string & subject, const Strings & patterns, const std::string & key)
{
  return std::any_of(patterns.begin(),
                     patterns.end(),
                     [&](const std::string & pattern)
                     { return pattern == subject || std::regex_match(subject, MakeRegex(pattern, key)); });
}

/** The first group that a regular expression finds in a name, or all it finds. */
std::string
FindSubject(const std::string & fileName, const std::regex & expression)
{
  std::smatch match;
  itkNNRequireMacro(std::regex_search(fileName, match, expression),
                    "the file name '" << fileName << "' has no match of 'subject'; every image should have one");
  return match.size() > 1 ? match[1].str() : match[0].str();
}

std::string
ReplacePlaceholder(const std::string & placeholder, const FoundFile & image, const fs::path & root)
{
  if (placeholder == "stem")
  {
    return GetStem(image.path);
  }
  if (placeholder == "name")
  {
    return image.path.filename().string();
  }
  if (placeholder == "folder")
  {
    return GetFolder(image.path, root);
  }
  const bool isNumber = placeholder.size() == 1 && placeholder[0] >= '1' && placeholder[0] <= '9';
  itkNNRequireMacro(isNumber, "'labels' has {" << placeholder << "}; should be {stem}, {name}, {folder} or {1} to {9}");
  const auto index = static_cast<std::size_t>(placeholder[0] - '1');
  itkNNRequireMacro(index < image.parts.size(),
                    "'labels' has {" << placeholder << "}, and 'images' has " << image.parts.size() << " '*'");
  return image.parts[index];
}

std::string
ReplacePlaceholders(const std::string & pattern, const FoundFile & image, const fs::path & root)
{
  std::string text;
  for (std::size_t at = 0; at < pattern.size();)
  {
    if (pattern[at] != '{')
    {
      text += pattern[at++];
      continue;
    }
    const std::size_t end = pattern.find('}', at);
    itkNNRequireMacro(end != std::string::npos, "'labels' is '" << pattern << "'; a '{' has no '}'");
    text += ReplacePlaceholder(pattern.substr(at + 1, end - at - 1), image, root);
    at = end + 1;
  }
  return text;
}

void
CheckRange(const char * key, double value, double low, double high)
{
  itkNNRequireMacro(value >= low && value <= high,
                    "'" << key << "' is " << value << "; should be from " << low << " to " << high);
}
} // namespace

std::string
ExpandPathVariable(const std::string & path, const std::string & key)
{
  if (path.empty() || path[0] != '$')
  {
    return path;
  }
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string name = path.substr(1, end - 1);
  const char * value = std::getenv(name.c_str());
  itkNNRequireMacro(value != nullptr && *value != '\0',
                    "'" << key << "' is '" << path << "', and there is no variable " << name << " in the environment");
  return value + path.substr(end);
}

void
ManifestNormalization::Describe(ConfigurationTable & table)
{
  table.Add(
    "method",
    "minmax (of each slice), minmax-volume (of the whole image), percentile (of the whole image), window or none",
    method);
  table.Add("low", "lower percentile, or lower end of the window", low);
  table.Add("high", "upper percentile, or upper end of the window", high);
}

IntensityNormalization
ManifestNormalization::Get() const
{
  using Method = IntensityNormalizationEnums::Normalization;
  const std::pair<const char *, Method> methods[] = { { "minmax", Method::MinMaxOfSlice },
                                                      { "minmax-volume", Method::MinMaxOfVolume },
                                                      { "percentile", Method::Percentile },
                                                      { "window", Method::Window },
                                                      { "none", Method::None } };
  const auto * found =
    std::find_if(std::begin(methods), std::end(methods), [this](const auto & m) { return m.first == method; });
  itkNNRequireMacro(found != std::end(methods),
                    "'normalization.method' is '" << method
                                                  << "'; should be minmax, minmax-volume, percentile, window or none");
  IntensityNormalization normalization;
  normalization.method = found->second;
  if (found->second == Method::Percentile)
  {
    normalization.lowerPercentile = low;
    normalization.upperPercentile = high;
  }
  if (found->second == Method::Window)
  {
    normalization.windowMinimum = low;
    normalization.windowMaximum = high;
  }
  normalization.Check();
  return normalization;
}

void
ManifestSubjects::Describe(ConfigurationTable & table)
{
  table.Add("train", "names or regular expressions of the subjects for training", train);
  table.Add("validation", "names or regular expressions of the subjects for validation", validation);
  table.Add("fraction", "without lists: share of the subjects that is drawn for validation", fraction);
  table.Add("seed", "of that draw", seed);
}

std::vector<std::string>
ManifestSubjects::Select(const std::vector<std::string> & subjects, ManifestSplit split) const
{
  const bool wantsTrain = split == ManifestSplit::Train;
  Strings selected;
  if (train.empty() && validation.empty())
  {
    const auto total = static_cast<std::int64_t>(subjects.size());
    auto count = static_cast<std::int64_t>(std::llround(fraction * static_cast<double>(total)));
    count = fraction > 0 && total > 1 ? std::clamp<std::int64_t>(count, 1, total - 1) : 0;
    const auto drawn = RandomStream(static_cast<std::uint64_t>(seed)).Choose(total, count);
    const std::set<std::int64_t> forValidation(drawn.begin(), drawn.end());
    for (std::int64_t i = 0; i < total; ++i)
    {
      if ((forValidation.count(i) == 0) == wantsTrain)
      {
        selected.push_back(subjects[static_cast<std::size_t>(i)]);
      }
    }
    return selected;
  }
  for (const auto & subject : subjects)
  {
    const bool inTrain = MatchesAny(subject, train, "split.train");
    const bool inValidation = MatchesAny(subject, validation, "split.validation");
    itkNNRequireMacro(!(inTrain && inValidation),
                      "subject '" << subject << "' is in 'split.train' and in 'split.validation'");
    const bool isTrain = train.empty() ? !inValidation : inTrain;
    const bool isValidation = validation.empty() ? !inTrain : inValidation;
    if (wantsTrain ? isTrain : isValidation)
    {
      selected.push_back(subject);
    }
  }
  return selected;
}

void
ManifestDataset::Describe(ConfigurationTable & table)
{
  table.BindLine(line);
  table.Add("name", "of the data set", name);
  table.Add("weight", "share of the tasks, relative to the other data sets", weight);
  table.Add("licence", "for people", licence);
  table.Add("images", "folder, or pattern with * and ?, relative to the root", images);
  table.Add("exclude", "patterns of file names that are no images", exclude);
  table.Add(
    "labels",
    "file of an image's labels: {stem}, {name} and {folder} are the image's, {1} is what the first * stands for",
    labels);
  table.Add("subject",
            "regular expression on the file name whose first group names the subject; empty: each file is a subject",
            subject);
  table.Add("kind", "of the labels: 'label map', 'rgb' or 'binary' (above half of the largest value)", kind);
  table.Add("structures",
            "names with their values: 3, '4..7' or [1, 2]; '255,0,0' with kind rgb; empty: every value but 0",
            structures);
  table.Add("axes", "across which volumes are cut into slices", axes);
  table.Add("minimum-area", "fraction of a slice that a structure has to cover for a task", minimumArea);
  table.Add("normalization", "of the intensities", normalization);
  table.Add("split", "of the subjects", split);
}

void
ManifestDataset::Check() const
{
  itkNNRequireMacro(!name.empty(), "'name' is missing; should be the name of the data set");
  itkNNRequireMacro(!images.empty(), "'images' is missing; should be a folder or a pattern such as 'images/*.png'");
  itkNNRequireMacro(!labels.empty(), "'labels' is missing; should be a pattern such as 'labels/{stem}.png'");
  itkNNRequireMacro(kind == "label map" || kind == "rgb" || kind == "binary",
                    "'kind' is '" << kind << "'; should be 'label map', 'rgb' or 'binary'");
  itkNNRequireMacro(!axes.empty(), "'axes' is empty; should have some of 0, 1 and 2");
  for (const std::int64_t axis : axes)
  {
    itkNNRequireMacro(axis >= 0 && axis <= 2, "'axes' has " << axis << "; should have some of 0, 1 and 2");
    itkNNRequireMacro(std::count(axes.begin(), axes.end(), axis) == 1, "'axes' has " << axis << " twice");
  }
  itkNNRequireMacro(std::isfinite(weight) && weight >= 0, "'weight' is " << weight << "; should be at least 0");
  CheckRange("minimum-area", minimumArea, 0, 1);
  CheckRange("split.fraction", split.fraction, 0, 1);
  itkNNRequireMacro(split.fraction == 0 || (split.train.empty() && split.validation.empty()),
                    "'split.fraction' is " << split.fraction << " beside a list of subjects; should be 0");
  normalization.Get();
}

std::vector<ManifestCase>
ManifestDataset::FindCases(const std::string & root) const
{
  const fs::path folder = fs::path(root).lexically_normal();
  std::error_code failure;
  const bool isFolder = !HasWildcards(images) && fs::is_directory(folder / images, failure);
  const std::string pattern = isFolder ? (fs::path(images) / "*").generic_string() : images;
  const std::regex expression = MakeRegex(subject, "subject");
  std::vector<ManifestCase> cases;
  for (const FoundFile & image : ExpandPattern(folder, pattern))
  {
    const std::string fileName = image.path.filename().string();
    Strings parts;
    if (std::any_of(exclude.begin(),
                    exclude.end(),
                    [&](const std::string & excluded) { return MatchesWildcards(excluded, fileName, parts); }))
    {
      continue;
    }
    const fs::path label = folder / ReplacePlaceholders(labels, image, folder);
    itkNNRequireMacro(fs::is_regular_file(label, failure),
                      image.path.string()
                        << ": its labels should be in " << label.string() << ", and there is no such file");
    itkNNRequireMacro(label.lexically_normal() != image.path.lexically_normal(),
                      image.path.string() << ": 'labels' gives the image itself");
    const std::string ownSubject = (fs::path(GetFolder(image.path, folder)) / GetStem(image.path)).generic_string();
    cases.push_back(
      { image.path.string(), label.string(), subject.empty() ? ownSubject : FindSubject(fileName, expression) });
  }
  itkNNRequireMacro(!cases.empty(), "no file is an image of '" << images << "' in the folder " << folder.string());
  return cases;
}

void
TaskManifest::Describe(ConfigurationTable & table)
{
  table.Add("root",
            "folder that names of files are relative to, itself relative to the folder of this file;\n"
            "$NAME in front is a variable of the environment",
            root);
  table.Add("memory-limit", "of the pixels in memory, in MiB", memoryLimit);
  table.AddList("dataset", "a data set", datasets);
}

TaskManifest
TaskManifest::ReadFile(const std::string & fileName)
{
  TaskManifest manifest;
  manifest.fileName = fileName;
  ConfigurationTable(manifest).ReadFile(fileName);
  try
  {
    itkNNRequireMacro(manifest.memoryLimit > 0, "'memory-limit' is " << manifest.memoryLimit << "; should be above 0");
    itkNNRequireMacro(!manifest.datasets.empty(), "there is no data set; should have a table [[dataset]]");
    manifest.root = (fs::path(fileName).parent_path() / ExpandPathVariable(manifest.root, "root")).string();
  }
  catch (const Error & error)
  {
    itkNNThrowMacro(fileName << ": " << error.GetDescription());
  }
  std::set<std::string> names;
  for (const auto & dataset : manifest.datasets)
  {
    try
    {
      dataset.Check();
      itkNNRequireMacro(names.insert(dataset.name).second, "'name' is '" << dataset.name << "', as that of another");
    }
    catch (const ExceptionObject & error)
    {
      itkNNThrowMacro(fileName << ':' << dataset.line << ": data set '" << dataset.name
                               << "': " << error.GetDescription());
    }
  }
  return manifest;
}
} // namespace nn
} // namespace itk
